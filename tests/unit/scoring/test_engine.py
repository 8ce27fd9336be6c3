"""One pass over nasty tables: sharded, unsharded and pandas agree on every row."""

from __future__ import annotations

import gzip
import io
import math
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from iris_core.errors import DataRejected
from iris_core.models.decide import Decider
from iris_core.scoring.counts import Counts, UnknownLabels
from iris_core.scoring.output import Options
from tests.unit.scoring.conftest import TABLE, Pass, cuts, fitted, run, shards

pytestmark = [pytest.mark.unit, pytest.mark.slow]

NAMES = list(TABLE.feature_names)
DECIDER = Decider(fitted(), TABLE.feature_names)

numbers = st.one_of(
    st.integers(-3, 12).map(str),
    st.floats(-1e3, 1e3, allow_nan=False).map(repr),
    st.sampled_from(["1e3", " 2.5", "2.5 ", "+4", ".5", "007"]),
)
unscorable = st.sampled_from(["", "NA", "abc", "1,5", "inf", "nan", "5 cm", "  "])
notes = st.text(st.sampled_from('ab, "\n\r;ü'), max_size=6)


def quoted(cell: str, always: bool) -> str:
    if always or any(sign in cell for sign in ',"\n\r'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, list[list[str] | None]]:
    """A CSV's bytes, and its cells row by row (None: a blank line)."""
    columns = draw(st.permutations([*NAMES, "note", *draw(st.sampled_from([[], ["species"]]))]))
    rows: list[list[str] | None] = []
    always = draw(st.booleans())
    plain = draw(st.booleans())
    for _ in range(draw(st.integers(1, 25))):
        if draw(st.integers(0, 9)) == 0:
            rows.append(None)
            continue
        rows.append([_cell(draw, name, plain) for name in columns])
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines = [",".join(columns)]
    lines += ["" if row is None else ",".join(quoted(cell, always) for cell in row) for row in rows]
    text = end.join(lines) + draw(st.sampled_from([end, ""]))
    bom = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return bom + text.encode(), [columns, *rows]


def _cell(draw: st.DrawFn, name: str, plain: bool) -> str:
    if name == "note":
        return draw(st.sampled_from(["a", "b c"])) if plain else draw(notes)
    if name == "species":
        return draw(st.sampled_from(["setosa", " virginica", "", "rose"]))
    return draw(unscorable) if draw(st.integers(0, 11)) == 0 else draw(numbers)


def value(cell: str) -> float | None:
    try:
        found = float(cell.strip())
    except ValueError:
        return None
    return found if math.isfinite(found) and "_" not in cell else None


def expected(cells: list[list[str] | None]) -> tuple[dict[int, str], set[int]]:
    """Row number to what scikit-learn predicts on a pandas frame, and the rows that cannot be scored."""
    columns, *rows = cells
    assert columns is not None
    values: dict[int, list[float]] = {}
    rejected: set[int] = set()
    for number, row in enumerate(rows, start=2):
        if row is None:
            continue
        found = [value(row[columns.index(name)]) for name in NAMES]
        if any(one is None for one in found):
            rejected.add(number)
        else:
            values[number] = [one for one in found if one is not None]
    if not values:
        return {}, rejected
    frame = pd.DataFrame(list(values.values()), columns=NAMES)
    return dict(zip(values, fitted().predict(frame), strict=True)), rejected


def predictions(done: Pass) -> dict[int, str]:
    frame = pl.read_csv(io.BytesIO(done.out), infer_schema=False)
    return {int(row): label for row, label in frame.select("source_row", "prediction").iter_rows()}


def by_column(counts: Counts) -> Counts:
    """With the faults in an order that does not depend on where the file was cut."""
    faults = sorted(counts.faults, key=lambda fault: (fault.check, fault.column or ""))
    return counts.model_copy(update={"faults": tuple(faults)})


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables(), st.integers(1, 300))
@example((f"{','.join(NAMES)}\n".encode(), [[*NAMES]]), 1)
def test_sharded_is_unsharded_is_pandas(made: tuple[bytes, list[Any]], least: int) -> None:
    """A table that cannot be cut, such as one without rows, is one shard."""
    data, cells = made
    whole = run(data, DECIDER)
    parts = [run(data, DECIDER, part) for part in shards(data, least)]
    assert b"".join(part.out for part in parts) == whole.out
    assert by_column(sum((part.counts for part in parts), Counts())) == by_column(whole.counts)
    wanted, rejected = expected(cells)
    assert predictions(whole) == wanted
    told = pl.read_csv(io.BytesIO(whole.rejects), infer_schema=False) if whole.rejects else None
    assert ({int(row) for row in told["source_row"]} if told is not None else set()) == rejected
    assert whole.counts.rejected == len(rejected)
    assert whole.counts.classes == pd.Series(list(wanted.values()), dtype=object).value_counts().to_dict()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables())
def test_columns_are_carried_through(made: tuple[bytes, list[Any]]) -> None:
    data, cells = made
    columns, *rows = cells
    done = run(data, DECIDER)
    wanted, _ = expected(cells)
    frame = pl.read_csv(io.BytesIO(done.out), infer_schema=False, empty_string_is_null=False)
    assert frame.columns == [*columns, "prediction", "model_version", "source_row"]
    kept = [list(row) for row in frame.select(columns).iter_rows()]
    assert kept == [row for number, row in enumerate(rows, start=2) if number in wanted]


HEAD = "sepal_length,sepal_width,petal_length,petal_width\n"


class TestRejects:
    def test_row_column_and_reason(self, decider: Decider) -> None:
        data = f"{HEAD}1,2,3,4\n1,x,3,4\n\n1,2,3\n1,2,3,\n1,inf,3,4\n5,6,7,8\n".encode()
        done = run(data, decider)
        assert done.rejects.decode().splitlines() == [
            "source_row,column,reason,found",
            '3,sepal_width,"not a number, expected a number in cm",x',
            '5,"",expected 4 fields as in the header,3 fields',
            '6,petal_width,"missing, expected a number in cm",""',
            '7,sepal_width,"infinite, expected a number in cm",inf',
        ]
        assert list(predictions(done)) == [2, 8]

    def test_labels_are_counted_and_not_shown_to_the_model(self, decider: Decider) -> None:
        lines = "1,2,3,4,setosa\n5,2,7,4, rose \n5,2,7,4,\n"
        done = run((HEAD.strip() + ",species\n" + lines).encode(), decider)
        predicted = predictions(done)
        assert done.counts.agreement == {"setosa": {predicted[2]: 1}}
        assert done.counts.unknown_labels == UnknownLabels(count=1, examples=("rose",))

    @pytest.mark.parametrize(
        ("data", "told"),
        [
            (b"", "no bytes"),
            (b"\n \n", "nothing but blanks"),
            (b"sepal_length,sepal_width\n1,2\n", "petal_length"),
            (HEAD.encode("utf-16"), "UTF-16"),
            ((HEAD + '1,2,3,"4\n').encode(), "a quote that is never closed"),
            ((HEAD.strip() + ",source_row\n1,2,3,4,5\n").encode(), "which scoring writes"),
            ((HEAD.strip() + ",a\n1,2,3,4,\xe9\n").encode("latin-1"), "not UTF-8"),
            (gzip.compress((HEAD + "1,2,3,4\n" * 50).encode(), mtime=0)[:-9], "damaged gzip"),
            (b"PAR1 and no more", "damaged Parquet"),
        ],
    )
    def test_what_is_no_such_table(self, decider: Decider, data: bytes, told: str) -> None:
        with pytest.raises(DataRejected, match=told):
            run(data, decider)


class TestFormats:
    DATA = (HEAD.strip() + ",note\n" + "".join(f"{n},2,{n % 7},0.5,x{n}\n" for n in range(1, 500))).encode()

    def test_gzip_of_several_members_is_the_plain_file(self, decider: Decider) -> None:
        packed = gzip.compress(self.DATA[:1000]) + gzip.compress(self.DATA[1000:])
        assert run(packed, decider).out == run(self.DATA, decider).out

    def test_parquet_in_gives_the_same_predictions(self, decider: Decider) -> None:
        file = io.BytesIO()
        pl.read_csv(self.DATA).write_parquet(file)
        assert predictions(run(file.getvalue(), decider)) == predictions(run(self.DATA, decider))

    def test_parquet_out(self, decider: Decider) -> None:
        done = run(self.DATA, decider, options=Options("3", format="parquet"))
        frame = pl.read_parquet(io.BytesIO(done.out))
        found = dict(frame.select("source_row", "prediction").iter_rows())
        assert found == predictions(run(self.DATA, decider))
        assert frame["note"].to_list() == [f"x{n}" for n in range(1, 500)]

    def test_probabilities(self) -> None:
        model = fitted()
        done = run(self.DATA, Decider(model, NAMES, probabilities=True), options=Options("3", True))
        frame = pl.read_csv(io.BytesIO(done.out))
        shares = frame.select(f"probability_{name}" for name in model.classes_).to_numpy()
        wanted = model.predict_proba(frame.select(NAMES).cast(pl.Float64).to_pandas())
        assert abs(shares - wanted).max() < 1e-12
        assert list(frame["prediction"]) == [model.classes_[row.argmax()] for row in shares]


def test_a_range_is_not_cut_inside_quotes(decider: Decider) -> None:
    row = '1,2,3,4,"' + "\n" * 30 + '"\n'
    data = (HEAD.strip() + ",note\n" + row * 20).encode()
    found = cuts(data, 8)
    assert len({part.start for part in found}) > 15
    assert [run(data, decider, part).counts.rows for part in found] == [
        data[part.start : part.end].count(b'"') // 2 for part in found
    ]


def test_an_agreement_table_holds_known_classes_only_however_many_labels_there_are() -> None:
    rows = [f"5,3,1.4,0.2,{'setosa' if n % 4 == 0 else f'label {n}'}" for n in range(2_000)]
    counts = run("\n".join([f"{','.join(NAMES)},species", *rows, ""]).encode(), DECIDER).counts
    assert set(counts.agreement) == {"setosa"}
    assert set(counts.agreement["setosa"]) <= set(TABLE.classes)
    assert sum(counts.agreement["setosa"].values()) == 500
    assert counts.unknown_labels.count == 1_500
    assert len(counts.unknown_labels.examples) == 5
