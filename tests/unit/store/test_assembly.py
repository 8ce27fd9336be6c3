"""The pieces of a part fit into the numbers that S3 has for them."""

from __future__ import annotations

import pytest

from iris_core.store.assembly import LEAST_PIECE_BYTES, MOST_PIECES, PIECE_BYTES, piece_bytes

MIB = 1 << 20


def pieces(room: int, expected: int, size: int) -> list[int]:
    found: list[int] = []
    while (done := sum(found)) < size:
        found.append(piece_bytes(len(found), room, expected, done))
    return found


@pytest.mark.parametrize(
    ("parts", "expected", "written"),
    [
        (1, 100 * MIB, 100 * MIB),
        (8, 256 * MIB, 450 * MIB),
        (200, 256 * MIB, 450 * MIB),
        (200, 256 * MIB, 40 * 256 * MIB),
        (200, 10_000 * MIB, 20_000 * MIB),
        (1, 10 * MIB, 400_000 * MIB),
    ],
)
def test_there_are_numbers_for_all_pieces(parts: int, expected: int, written: int) -> None:
    found = pieces(MOST_PIECES // parts, expected, written)
    assert len(found) <= MOST_PIECES // parts
    assert min(found) >= PIECE_BYTES > LEAST_PIECE_BYTES
    assert found == sorted(found), "later pieces are larger"


def test_usual_pieces_are_small() -> None:
    assert {*pieces(MOST_PIECES, 200 * MIB, 400 * MIB)} == {PIECE_BYTES}
    assert max(pieces(MOST_PIECES // 200, 256 * MIB, 2 * 256 * MIB)) < 16 * MIB
