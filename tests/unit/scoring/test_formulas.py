"""CSV_SAFE: what a spreadsheet would calculate is text, everything else is as it was."""

from __future__ import annotations

import csv
import io

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iris_core.models.decide import Decider
from iris_core.scoring.engine import score_table
from iris_core.scoring.formulas import Guard
from iris_core.scoring.output import Options, Scoring
from iris_core.settings.project import TableSchema
from tests.unit.scoring.conftest import TABLE, Bytes, Pass, fitted, run, shards

pytestmark = pytest.mark.unit

SAFE = Options("3", csv_safe=True)
DECIDER = Decider(fitted(), TABLE.feature_names)
HEAD = ",".join(TABLE.feature_names)
FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://x","y")',
    "+1+1",
    "-2+3",
    "@SUM(1,2)",
    "\t=1",
    "\tx",
    "\rx",
    "\nx",
    " =1+1",
    "\u00a0=1+1",
    "\ufeff=1+1",
    "\u2003=1+1",
    "\u1680+1",
    "\u00ad@x",
    "\x7f=1",
    "\u061c\u2066=1",
    "\u034f=1",
    "＝1+1",
    "＋x",
    "－x",
    "＠x",
    "-",
    "+49 30 1234",
    "-1,234",
]
HARMLESS = ["", "a", "1", "-5", "+4", " -2.5 ", "-.5e-3", "1=1", "a-b", "x@y.example", "'=1", "5 cm", "…"]


def cells(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def table(column: list[str], head: str = "note") -> bytes:
    lines = [f"{HEAD},{quoted(head)}", *(f"-1, +2,3e0,0.5,{quoted(cell)}" for cell in column)]
    return "\n".join([*lines, ""]).encode()


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(sign in cell for sign in ',"\n\r') else cell


def carried(done: Pass) -> list[str]:
    return [row[4] for row in cells(done.out)[1:]]


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_gets_an_apostrophe(cell: str) -> None:
    assert carried(run(table(["a", cell, "b"]), DECIDER, options=SAFE)) == ["a", f"'{cell}", "b"]


@pytest.mark.parametrize("cell", HARMLESS)
def test_other_cells_stay(cell: str) -> None:
    data = table(["a", cell, "b"])
    assert run(data, DECIDER, options=SAFE).out == run(data, DECIDER).out


def test_off_by_default_cells_stay() -> None:
    assert carried(run(table(FORMULAS), DECIDER)) == FORMULAS


def test_features_stay_numbers() -> None:
    [_, row] = cells(run(table(["=1"]), DECIDER, options=SAFE).out)
    assert row[:4] == ["-1", " +2", "3e0", "0.5"]


def test_names_of_columns() -> None:
    done = run(table(["a"], '=WEBSERVICE("x")'), DECIDER, options=SAFE)
    assert cells(done.out)[0][4] == """'=WEBSERVICE("x")"""


def test_the_name_of_the_key_stays_since_late_labels_are_joined_by_it() -> None:
    keyed = TABLE.model_copy(update={"key": "@id"})
    assert Guard(keyed).line(b"@id,@other", 2) == b"@id,'@other"


def test_what_is_quoted_without_need() -> None:
    data = f'{HEAD},note\n1,2,3,4,"=1"\n1,2,3,4,"-1"\n'.encode()
    assert run(data, DECIDER, options=SAFE).out.splitlines()[1].startswith(b'1,2,3,4,"\'=1",')
    assert carried(run(data, DECIDER, options=SAFE)) == ["'=1", "-1"]


def test_a_return_outside_quotes_begins_a_row_in_a_spreadsheet() -> None:
    data = f"{HEAD},note\n1,2,3,4,a\r=1\r-2\r\r@b\n".encode()
    line = run(data, DECIDER, options=SAFE).out.splitlines(keepends=False)
    assert b"\r".join(line[1:]).startswith(b"1,2,3,4,a\r'=1\r-2\r\r'@b,")


def test_labels_and_what_is_counted_of_them() -> None:
    data = f"{HEAD},species\n1,2,3,4,=x\n1,2,3,4,setosa\n".encode()
    done = run(data, DECIDER, options=SAFE)
    assert carried(done) == ["'=x", "setosa"]
    assert set(done.counts.agreement) == {"setosa"}
    assert done.counts.unknown_labels.examples == ("=x",)


def test_rejects() -> None:
    data = f"{HEAD}\n=1+1,2,3,4\n-inf,2,3,4\n".encode()
    assert [row[3] for row in cells(run(data, DECIDER, options=SAFE).rejects)[1:]] == ["'=1+1", "'-inf"]
    assert [row[3] for row in cells(run(data, DECIDER).rejects)[1:]] == ["=1+1", "-inf"]


def test_classes_of_the_project_stay_and_others_do_not() -> None:
    """Predictions are read back by the drift pipeline, which knows the project's classes."""
    import numpy as np
    import pandas as pd
    from sklearn.dummy import DummyClassifier

    project = TABLE.model_copy(update={"classes": ("+", "-")})
    frame = pd.DataFrame(np.ones((4, 4)), columns=list(TABLE.feature_names))

    def predicted(name: str, schema: TableSchema) -> str:
        model = DummyClassifier(strategy="constant", constant=name).fit(frame, ["+", "-", "=x", name])
        out, rejects = io.BytesIO(), io.BytesIO()
        given_ = Bytes(f"{HEAD}\n1,2,3,4\n".encode())
        score_table(given_, Scoring(Decider(model, TABLE.feature_names), schema, SAFE), out, rejects)
        return cells(out.getvalue())[1][4]

    assert [predicted(name, project) for name in ("+", "-", "=x")] == ["+", "-", "'=x"]
    assert predicted("-", TABLE) == "'-"


def test_parquet_in() -> None:
    file = io.BytesIO()
    numbers = {name: [1.5] * len(FORMULAS) for name in TABLE.feature_names}
    kinds = {"note": pl.Series(FORMULAS), "kind": pl.Series(FORMULAS, dtype=pl.Categorical)}
    pl.DataFrame({**numbers, **kinds, "=n": [-1] * len(FORMULAS)}).write_parquet(file)
    head, *rows = cells(run(file.getvalue(), DECIDER, options=SAFE).out)
    assert head[4:7] == ["note", "kind", "'=n"]
    assert [row[4:7] for row in rows] == [[f"'{cell}", f"'{cell}", "-1"] for cell in FORMULAS]
    assert all(row[:4] == ["1.5"] * 4 for row in rows)


texts = st.text(st.sampled_from("=+-@\t\r\n ,\"'a1.e\u00a0\u200b＝"), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(texts, min_size=1, max_size=20), st.integers(1, 300))
def test_rows_frames_and_shards_agree(column: list[str], least: int) -> None:
    data = table(column)
    whole = run(data, DECIDER, options=SAFE)
    parts = [run(data, DECIDER, part, SAFE) for part in shards(data, least)]
    assert b"".join(part.out for part in parts) == whole.out
    guard = Guard(TABLE)
    assert carried(whole) == [guard.text(cell) for cell in carried(run(data, DECIDER))]
    framed = guard.frame(pl.DataFrame({"note": column}))
    assert framed["note"].to_list() == [guard.text(cell) for cell in column]
