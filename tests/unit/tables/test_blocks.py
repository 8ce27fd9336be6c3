"""Blocks end where a row ends, wherever the pieces were cut and whatever is quoted."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.tables import MemoryInput
from iris_core.tables.blocks import blocks
from iris_core.tables.inputs import ranges

pytestmark = pytest.mark.unit

ROWS = st.lists(st.sampled_from([b"a,b", b'"a\nb",c', b'""', b'"""\n"""', b"", b'"\n\n\n"', b"x" * 9]))


@given(rows=ROWS, size=st.integers(1, 12))
def test_rows_stay_whole(rows: list[bytes], size: int) -> None:
    data = b"".join(row + b"\n" for row in rows)
    found = list(blocks([data], size, longest_row=1000))
    assert b"".join(found) == data
    assert all(block.count(b'"') % 2 == 0 and block.endswith(b"\n") for block in found)


@given(rows=ROWS, size=st.integers(1, 12))
def test_a_file_has_the_same_blocks_from_the_end_of_any_on(rows: list[bytes], size: int) -> None:
    data = b"".join(row + b"\n" for row in rows)
    whole, place = list(blocks([data], size, longest_row=1000)), 0
    for number, block in enumerate(whole):
        assert list(blocks([data[place:]], size, 1000, place)) == whole[number:]
        place += len(block)


def test_pieces_end_at_the_same_places_wherever_reading_begins() -> None:
    given = MemoryInput(b"abcdefghij", "here")
    assert list(ranges(given, 3, 10, 4)) == [b"d", b"efgh", b"ij"]
    assert list(ranges(given, 4, 7, 4)) == [b"efg"]
    assert list(ranges(given, 4, 4, 4)) == []


def test_newlines_in_an_open_quote_are_passed_over_at_once() -> None:
    began = time.process_time()
    found = list(blocks([b'a,b\n"' + b'""\n' * (4 << 20)]))
    assert time.process_time() - began < 2
    assert found[-1].count(b'"') % 2 or not found[-1].endswith(b"\n")


@pytest.mark.parametrize("row", [b"x", b'"x', b'"\n', b'""\n"x', b'"",'])
def test_nothing_follows_a_row_that_is_too_long(row: bytes) -> None:
    endless = row + row[-1:] * 3000 if row[-1:] != b"," else row * 1000
    found = list(blocks([b"a,b\n", endless, b"c,d\n" * 5000], 100, longest_row=1000))
    broken = found[-1]
    assert broken.count(b'"') % 2 or not broken.endswith(b"\n")
    assert len(b"".join(found)) < 1200
