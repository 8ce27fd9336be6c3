"""Outlines of stretches add up to that of the whole, wherever it is cut."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.tables import MemoryInput
from iris_core.tables.outline import TAIL_BYTES, Outline, outline, outline_of

pytestmark = pytest.mark.unit

texts = st.lists(st.sampled_from([b"a", b",", b'"', b"\n", b"\r\n", b"\0", b'""', "ü".encode()])).map(
    b"".join
)


def reference(data: bytes) -> Outline:
    """Byte by byte."""
    rows, last, quotes = [0, 0], [0, 0], 0
    for place, sign in enumerate(data, start=1):
        quotes += sign == b'"'[0]
        if sign == b"\n"[0]:
            rows[quotes % 2] += 1
            last[quotes % 2] = place
    return Outline(quotes % 2 == 1, (rows[0], rows[1]), (last[0], last[1]))


@given(texts, st.lists(st.integers(0, 40), max_size=6))
def test_stretches_add_up(data: bytes, cuts: list[int]) -> None:
    assert outline_of(data, 0) == reference(data)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    stretches = [outline(MemoryInput(data, "here"), *stretch) for stretch in pairwise(places)]
    assert sum(stretches, Outline()) == reference(data)


@pytest.mark.parametrize("tail", [TAIL_BYTES - 2, TAIL_BYTES - 1, TAIL_BYTES, 3 * TAIL_BYTES])
def test_a_last_row_end_far_from_the_end(tail: int) -> None:
    data = b'a\n"b\n' + b"c" * tail
    assert outline_of(data, 7) == Outline(True, (1, 1), (7 + 2, 7 + 5))


def test_more_quotes_than_a_byte_counts() -> None:
    data = b'"a"\n' * 1000
    assert outline_of(data, 0) == reference(data)


@pytest.mark.parametrize("row", [b"5.1,3.5,1.4,0.2,alpha\n", b'5.1,3.5,1.4,0.2,"al,pha"\n', b'"a\nb","\n"\n'])
def test_it_costs_a_fraction_of_parsing(row: bytes) -> None:
    """A gigabyte takes about one to four seconds of a core."""
    data = row * (16_000_000 // len(row))
    began = time.process_time()
    outline(MemoryInput(data, "here"), 0, len(data))
    assert time.process_time() - began < 0.4
