"""CSV_SAFE: an apostrophe is put before text that a spreadsheet would take for a formula.

The rule follows OWASP's page on CSV injection: a formula begins with `=`, `+`, `-`, `@`, one of their
full-width forms, a tab or a line end. Blanks and invisible characters before the sign change nothing. Numbers
stay as they are. So do the columns, levels and classes that project.json names: they do not come from an
upload, and predictions must stay readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from iris_core.settings.project import TableSchema
from iris_core.tables import Lines
from iris_core.tables.records import scan

MARK = "'"
_UNSEEN = (
    r"\x00-\x20\x7f-\xa0\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{1680}\u{17b4}\u{17b5}\u{180b}-\u{180e}"
    r"\u{2000}-\u{200f}\u{2028}-\u{202f}\u{205f}-\u{206f}\u{2800}\u{3000}\u{3164}\u{fe00}-\u{fe0f}\u{feff}"
)
"""Unicode's blanks, control characters and invisible characters (Default_Ignorable_Code_Point)."""
FORMULA = rf"^(?:[\t\r\n]|[{_UNSEEN}]*[=+\-@\u{{ff1d}}\u{{ff0b}}\u{{ff0d}}\u{{ff20}}])"
NUMBER = r"^ *[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)? *$"
"""Both patterns in polars' syntax; for Python's `re` they are translated below."""

_formula = re.compile(re.sub(r"\\u\{(\w+)\}", lambda found: chr(int(found[1], 16)), FORMULA))
_number = re.compile(NUMBER.replace("$", r"\Z"))
_FIRST = np.zeros(256, np.bool_)
_FIRST[[*range(0x21), *b'"=+-@\x7f', 0xC2, 0xCD, 0xD8, 0xE1, 0xE2, 0xE3, 0xEF]] = True
"""True for the first bytes of cells that may be formulas."""


class Guard:
    """Defuses the formulas in what is written of a table of this schema."""

    def __init__(self, table: TableSchema) -> None:
        takes_any = {one.name for one in table.features if one.unseen == "other"}
        self._features = frozenset(table.feature_names) - takes_any
        levels = (level for one in table.features for level in one.levels)
        self._known = frozenset((*table.feature_names, table.target, table.key, *table.classes, *levels))

    def text(self, cell: str) -> str:
        """Defuse one cell."""
        return f"{MARK}{cell}" if self._is_formula(cell) else cell

    def line(self, header: bytes, width: int) -> bytes:
        """Defuse a CSV's header row of `width` columns, given and returned without its line end."""
        return self._marked(header + b"\n", width, range(width))[0][:-1]

    def lines(self, lines: Lines, columns: Sequence[str]) -> Lines:
        """Defuse CSV rows, given as bytes. Columns that are no features, or take any level, can hold text."""
        texts = [place for place, name in enumerate(columns) if name not in self._features]
        data, marks = self._marked(lines.data, len(columns), texts)
        return Lines(data, lines.ends + np.searchsorted(marks, lines.ends)) if marks.size else lines

    def frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Defuse a frame's text columns."""
        return frame.with_columns(map(self._expression, frame.select(pl.col(pl.String)).columns))

    def _expression(self, name: str) -> pl.Expr:
        cell = pl.col(name)
        is_kept = cell.str.contains(NUMBER) | cell.is_in(list(self._known))
        is_formula = cell.str.contains(FORMULA) & ~is_kept
        return pl.when(is_formula).then(pl.lit(MARK) + cell).otherwise(cell).alias(name)

    def _is_formula(self, cell: str) -> bool:
        return bool(_formula.match(cell)) and not _number.match(cell) and cell not in self._known

    def _marked(self, data: bytes, width: int, places: Sequence[int]) -> tuple[bytes, NDArray[np.int64]]:
        """Mark the formulas in whole rows of `width` fields; also return the marks' places in `data`."""
        if not data or not places:
            return data, np.empty(0, np.int64)
        found, text = scan(data), np.frombuffer(data, np.uint8)
        commas = found.commas.reshape(found.ends.size, width - 1)
        first = np.column_stack([commas[:, p - 1] + 1 if p else found.starts for p in places]).ravel()
        last = np.column_stack([commas[:, p] if p < width - 1 else found.ends for p in places]).ravel()
        doubtful = _FIRST[text[first]] | (b"\r" in data)
        cells = zip(first[doubtful].tolist(), last[doubtful].tolist(), strict=True)
        marks = np.fromiter(self._places(data, cells), np.int64)
        return (np.insert(text, marks, ord(MARK)).tobytes() if marks.size else data), marks

    def _places(self, data: bytes, cells: Iterable[tuple[int, int]]) -> Iterable[int]:
        for start, end in cells:
            cell = data[start:end]
            is_quoted = cell.startswith(b'"')
            content = cell[1:-1].replace(b'""', b'"') if is_quoted else cell
            if self._is_formula(content.decode()):
                yield start + is_quoted
            if b"\r" in cell and not is_quoted:
                yield from self._after_returns(cell, start)

    def _after_returns(self, cell: bytes, place: int) -> Iterable[int]:
        """Places of formulas after a carriage return outside quotes: there a spreadsheet begins a row."""
        first, *pieces = cell.split(b"\r")
        place += len(first) + 1
        for piece in pieces:
            if self._is_formula(piece.decode()):
                yield place
            place += len(piece) + 1
