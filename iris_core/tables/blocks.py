"""Bytes in any pieces become blocks that end where a row ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

BLOCK_BYTES = 2 << 20
"""Enough for each pass over a block to be worth its start, small enough for a core's cache."""
LONGEST_ROW_BYTES = 32 << 20
DOS_END = b"\x1a"
"""DOS ended text files with it."""


def blocks(
    pieces: Iterable[bytes], size: int = BLOCK_BYTES, longest_row: int = LONGEST_ROW_BYTES
) -> Iterator[bytes]:
    """Blocks of about `size` bytes, cut at line ends outside quotes; the last gets a final newline.

    Two kinds of block are broken, and nothing follows that is worth reading: an odd number of quotes
    leaves one open, and no newline at the end means a row longer than `longest_row` bytes.
    """
    held = bytearray()
    limit = size
    for piece in _small(pieces, size):
        held += piece
        if len(held) < limit:
            continue
        cut = _last_row_end(held)
        if not cut and len(held) >= longest_row:
            cut = len(held)
        if cut:
            with memoryview(held) as view:
                block = bytes(view[:cut])
            yield block
            del held[:cut]
        limit = len(held) + size
    last = bytes(held).rstrip(DOS_END)
    if last:
        yield last if last.endswith(b"\n") else last + b"\n"


def _small(pieces: Iterable[bytes], size: int) -> Iterator[memoryview]:
    for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(view), size):
            yield view[start : start + size]


def _last_row_end(held: bytearray) -> int:
    """The position behind the last newline that an even number of quotes precedes; 0 if there is none."""
    newline = held.rfind(b"\n")
    is_quoted = held.count(b'"', 0, max(newline, 0)) % 2
    while newline >= 0 and is_quoted:
        quote = held.rfind(b'"', 0, newline)
        newline = held.rfind(b"\n", 0, quote)
        is_quoted = held.count(b'"', max(newline, 0), quote) % 2
    return newline + 1
