"""The fast reading of a block gives what the careful one gives, whatever is in it."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iris_core.errors import DataRejected
from iris_core.tables import MemoryInput, Wanted, read
from iris_core.tables.delimited import Delimited

pytestmark = pytest.mark.unit

WANTED = Wanted(("a", "b"), ("kind",), ("u", "v"), has_rest=True, carried="lines", sets_apart=True)
CELLS = st.sampled_from(["1", "2.5", "-3e2", " 4 ", "", "NA", "nan", "inf", "1,5", "x", '"6"', "1_0"])
ROWS = st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["u", "", "ü", " v"])).map(",".join), max_size=30)


def outcome(data: bytes, wanted: Wanted) -> object:
    """Everything of every row, or the refusal."""
    found: list[object] = []
    try:
        for batch in read(MemoryInput(data, "t"), wanted, block_bytes=32).batches():
            labels = batch.labels["kind"]
            ends = [] if batch.lines is None else np.split(list(batch.lines.data), batch.lines.ends + 1)[:-1]
            found += zip(
                batch.numbers.tolist(),
                batch.features.rows(),
                labels.known,
                labels.unknown,
                batch.text.rows() or [()] * len(batch),
                batch.cells().rows(),
                [bytes(line.tolist()) for line in ends] or [b""] * len(batch),
                strict=True,
            )
            if batch.uneven:
                found += zip(batch.uneven.numbers.tolist(), batch.uneven.fields.tolist(), strict=True)
    except DataRejected as error:
        return str(error)
    return found


@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.booleans())
@example(["1,2,u"] * 20 + ["1,2"] + ["1,2,u"] * 20, "\n", False)
@example(["1,2,u"] * 20 + ["1,2,u,9"], "\n", False)
@example(["1,2,u"] * 20 + ["1,2", "1,2,u,9"], "\n", True)
@example(["1,2,u"] * 20 + ["", "3,4,u"], "\n", False)
@example(["1,2,u"] * 3 + ["1,2,u,9", "1,2"] + ["1,2,u"] * 3, "\n", False)
@example(["1,2,u", "\ufeff3,4,u"], "\n", False)
def test_the_same_rows_or_the_same_refusal(rows: list[str], end: str, apart: bool) -> None:
    data = end.join(["a,b,kind", *rows, ""]).encode()
    wanted = WANTED if apart else Wanted(("a", "b"), ("kind",), ("u", "v"), has_rest=True)
    quickly = outcome(data, wanted)
    with patch.object(Delimited, "_plain", lambda *_: None):
        assert outcome(data, wanted) == quickly


@pytest.mark.parametrize("wanted", [Wanted(("a",)), Wanted(("b",)), Wanted(text=("a", "b"), carried="frame")])
@pytest.mark.parametrize("odd", [["3,4,x,y", "5,6"], ["5,6", "3,4,x,y"], ["3,4,x,y,z", "5"]])
def test_long_and_short_rows_of_which_not_every_column_is_read(wanted: Wanted, odd: list[str]) -> None:
    data = "\n".join(["a,b,note", *["1,2,x"] * 20, *odd, *["1,2,x"] * 20, ""]).encode()
    refusal = rf"row 22: found {odd[0].count(',') + 1} fields, expected 3 fields as in the header"
    with pytest.raises(DataRejected, match=refusal):
        list(read(MemoryInput(data, "t"), wanted).batches())
    [batch] = read(MemoryInput(data, "t"), replace(wanted, sets_apart=True)).batches()
    assert batch.uneven is not None
    assert (batch.uneven.numbers.tolist(), len(batch)) == ([22, 23], 40)


def test_a_row_of_dos_ends_is_blank_wherever_it_stands() -> None:
    data = b"a,b\n1,2\n\x1a,\n3,4\n"
    [batch] = read(MemoryInput(data, "t"), Wanted(text=("a",))).batches()
    assert batch.numbers.tolist() == [2, 4]


@pytest.mark.parametrize(
    "wanted", [Wanted(text=("a",)), Wanted(labels=("kind",), classes=("u", "v"), text=("a",))]
)
def test_rows_without_a_value_where_no_number_is_read(wanted: Wanted) -> None:
    data = b"a,b,kind\n1,2,u\n,,\n ,,\n,2,\n"
    batches = read(MemoryInput(data, "t"), wanted).batches()
    assert [batch.numbers.tolist() for batch in batches] == [[2, 5]]


def test_plain_numbers_are_read_at_once() -> None:
    data = b"a,b,kind\n" + b"1.5,2,u\n" * 1000
    with patch.object(Delimited, "_careful", side_effect=AssertionError):
        batches = list(read(MemoryInput(data, "t"), WANTED, block_bytes=64).batches())
    assert sum(map(len, batches)) == 1000
    assert all(batch.is_plain for batch in batches)


def test_columns_that_are_not_there_are_not_read() -> None:
    source = read(MemoryInput(b"b,x\n1,2\n", "t"), WANTED)
    [batch] = source.batches()
    assert (batch.features.columns, batch.labels, batch.text.columns) == (["b"], {}, ["x"])
    with pytest.raises(DataRejected, match="column 'a': found no such column among 'b', 'x'"):
        read(MemoryInput(b"b,x\n1,2\n", "t"), replace(WANTED, required=("a", "b")))


def test_a_frame_of_all_columns() -> None:
    wanted = Wanted(("a", "b"), carried="frame")
    [batch] = read(MemoryInput(b'b,x,a\n1,"y, z",2\n3,,4\n', "t"), wanted).batches()
    assert batch.frame is not None
    assert batch.frame.rows() == [(1.0, "y, z", 2.0), (3.0, "", 4.0)]
    assert batch.frame.schema == {"b": pl.Float64, "x": pl.String, "a": pl.Float64}
    kept = batch.kept(pl.Series([False, True]))
    assert kept.frame is not None
    assert (kept.numbers.tolist(), kept.frame.rows()) == ([3], [(3.0, "", 4.0)])
