"""The fast reader gives what the careful one gives, whatever is in the table."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iris_core.errors import DataRejected
from iris_core.tables import batches, numbers
from iris_core.tables.numeric import numeric_batches

pytestmark = pytest.mark.unit

NAMES, CARRIED = ("a", "b"), ("kind", "absent")
CELLS = st.sampled_from(["1", "2.5", "-3e2", " 4 ", "", "NA", "nan", "inf", "1,5", "x", '"6"', "1_0"])
ROWS = st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["u", "", "ü"])).map(",".join), max_size=30)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    yield from (data[start : start + size] for start in range(0, len(data), size))


def carefully(data: bytes) -> pl.DataFrame:
    frames = [
        numbers(batch.frame, NAMES).hstack(batch.frame.select("kind"))
        for batch in batches(pieces(data, 16), "t", size=32)
    ]
    return pl.concat(frames)


def quickly(data: bytes) -> pl.DataFrame:
    read = numeric_batches(
        pieces(data, 16), "t", NAMES, CARRIED, lambda frame: frame.height, lambda *_: None, size=32
    )
    frames = []
    for frame, height in read:
        assert height == frame.height
        frames.append(frame)
    return pl.concat(frames)


def outcome(read: object, data: bytes) -> object:
    try:
        return read(data).rows()  # type: ignore[operator]
    except DataRejected as error:
        return str(error)


@given(ROWS, st.sampled_from(["\n", "\r\n"]))
@example(["1,2,u"] * 20 + ["1,2"] + ["1,2,u"] * 20, "\n")
@example(["1,2,u"] * 20 + ["1,2,u,9"], "\n")
@example(["1,2,u"] * 20 + ["", "3,4,u"], "\n")
def test_the_same_rows_or_the_same_refusal(rows: list[str], end: str) -> None:
    data = end.join(["a,b,kind", *rows, ""]).encode()
    assert outcome(quickly, data) == outcome(carefully, data)


def test_plain_numbers_are_never_read_as_text() -> None:
    data = "\n".join(["a,b,kind", *["1.5,2,u"] * 1000, ""]).encode()
    told: list[int] = []
    read = numeric_batches(
        pieces(data, 64), "t", NAMES, CARRIED, lambda _: None, lambda cells, _: told.append(cells.height), 256
    )
    assert sum(frame.height for frame, _ in read) == 1000
    assert sum(told) < 64  # the first block only: it holds the header
