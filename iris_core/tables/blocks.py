"""Bytes in any pieces become blocks that end where a row ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

BLOCK_BYTES = 8 << 20
LONGEST_ROW_BYTES = 32 << 20


def blocks(
    chunks: Iterable[bytes], size: int = BLOCK_BYTES, longest_row: int = LONGEST_ROW_BYTES
) -> Iterator[bytes]:
    """Blocks of about `size` bytes, cut at line ends outside quotes; the last gets a final newline.

    Two kinds of block are broken, and nothing follows that is worth reading: an odd number of quotes
    leaves one open, and no newline at the end means a row longer than `longest_row` bytes.
    """
    held = bytearray()
    limit = size
    for piece in _pieces(chunks, size):
        held += piece
        if len(held) < limit:
            continue
        cut = _last_row_end(held)
        if not cut and len(held) >= longest_row:
            cut = len(held)
        if cut:
            yield bytes(held[:cut])
            del held[:cut]
        limit = len(held) + size
    if held:
        yield bytes(held) if held.endswith(b"\n") else bytes(held) + b"\n"


def _pieces(chunks: Iterable[bytes], size: int) -> Iterator[memoryview]:
    for chunk in chunks:
        view = memoryview(chunk)
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
