"""Cuts a plain CSV into stretches of equal size, and finds the whole rows of a stretch.

A stretch ends where a whole file's block ends, too: so the parts of a file are read in the very blocks of the
whole, with the same rows, faults and sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

from iris_core.errors import DataRejected
from iris_core.tables.blocks import BLOCK_BYTES, blocks
from iris_core.tables.formats import GZIP, is_parquet
from iris_core.tables.header import read_header
from iris_core.tables.inputs import Input
from iris_core.tables.outline import Outline
from iris_core.tables.reading import Range


@dataclass(frozen=True)
class Cutting:
    """A plain CSV of `size` bytes, cut every `step` bytes, wherever its rows end.

    The header ends at byte `head`; the first row below it has number `first_row`.
    """

    size: int
    step: int
    head: int
    first_row: int

    @property
    def count(self) -> int:
        """The number of stretches."""
        return -(-self.size // self.step)

    def stretch(self, index: int) -> tuple[int, int]:
        """The bytes [start, end) of a stretch."""
        return index * self.step, min((index + 1) * self.step, self.size)

    def rows(self, before: Outline, own: Outline, is_last: bool) -> Range:
        """The whole rows of a stretch: from the last row end before it to the last one in it.

        :param before: the outline of all bytes before it.
        :param own: its own outline.
        :param is_last: whether it is the last one, which ends with the file.
        """
        start, first_row = self._row_end(before)
        end = self.size if is_last else self._row_end(before + own)[0]
        return Range(self.head, start, end, first_row)

    def _row_end(self, before: Outline) -> tuple[int, int]:
        """The last row end, which is not above the header, and the number of the row after it."""
        return max(before.last[0], self.head), max(before.rows[0] + 1, self.first_row)


def cutting(given: Input, least: int, unit: int = BLOCK_BYTES) -> Cutting | None:
    """Cut a file, of which only the first block is read; None if it cannot be cut: gzip, Parquet, no rows.

    :param given: the file's bytes.
    :param least: least bytes of a stretch except the last.
    :param unit: stretches are multiples of it; the bytes of a block.
    """
    first = given.read(0, min(BLOCK_BYTES, given.size))
    if first.startswith(GZIP) or is_parquet(first):
        return None
    try:
        header = read_header(next(blocks([first]), b""), given.where)
    except DataRejected:
        return None
    if header.end >= given.size:
        return None
    return Cutting(given.size, max(-(-least // unit), 1) * unit, header.end, header.first_row)
