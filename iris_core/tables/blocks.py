"""Cuts a stream of bytes into blocks of whole rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from iris_core.tables.records import LONGEST_ROW_BYTES, NEWLINE, QUOTE

BLOCK_BYTES = 2 << 20
"""Large enough for each pass over a block to be worth its start, small enough for a core's cache."""
DOS_END = b"\x1a"
"""The character that ends text files of DOS."""


def blocks(
    pieces: Iterable[bytes],
    size: int = BLOCK_BYTES,
    longest_row: int = LONGEST_ROW_BYTES,
    start: int = 0,
) -> Iterator[bytes]:
    """Cut bytes into blocks of about `size`, at line ends outside quotes; the last one gets a final newline.

    A block ends with the last row before a multiple of `size`: a file has the same blocks from any of their
    ends on.

    A block is broken if it has an odd number of quotes (one is never closed), or no newline at its end (a row
    is longer than `longest_row`). No block follows a broken one.

    :param pieces: the bytes, in pieces of any size.
    :param size: bytes of a block.
    :param longest_row: most bytes of a row.
    :param start: the place in the file of the first byte.
    """
    rows: list[bytes | memoryview] = []
    begun: list[bytes] = []
    length, is_open = 0, False
    for piece in _small(pieces, size, size - start % size):
        end, is_open = _last_row_end(piece, is_open)
        if end:
            rows += [*begun, memoryview(piece)[:end]]
            begun.clear()
        begun.append(piece[end:])
        length += len(piece)
        if length < size:
            continue
        if rows:
            block = b"".join(rows)
            rows.clear()
            yield block
            length = sum(map(len, begun))
        elif length >= longest_row:
            yield b"".join(begun)
            return
    last = b"".join([*rows, *begun]).rstrip(DOS_END)
    if last:
        yield last if last.endswith(b"\n") else last + b"\n"


def _small(pieces: Iterable[bytes], size: int, first: int) -> Iterator[bytes]:
    """Cut pieces to at most `size` bytes, the very first one to at most `first`."""
    for piece in pieces:
        yield piece[:first]
        for start in range(first, len(piece), size):
            yield piece[start : start + size]
        first = size


def _last_row_end(piece: bytes, is_open: bool) -> tuple[int, bool]:
    """The position after the last newline outside quotes, or 0; and whether a quote is open at the end.

    :param is_open: whether a quote is open at the beginning.
    """
    if b'"' not in piece:
        return (0 if is_open else piece.rfind(b"\n") + 1), is_open
    newline = piece.rfind(b"\n")
    before = piece.count(b'"', 0, max(newline, 0))
    after = piece.count(b'"', max(newline, 0))
    is_open_after = (is_open + before + after) % 2 == 1
    if newline < 0 or (is_open + before) % 2 == 0:
        return newline + 1, is_open_after
    text = np.frombuffer(piece, np.uint8)
    is_inside = np.logical_xor.accumulate(text == QUOTE) != is_open
    ends = np.flatnonzero((text == NEWLINE) & ~is_inside)
    return (int(ends[-1]) + 1 if ends.size else 0), is_open_after
