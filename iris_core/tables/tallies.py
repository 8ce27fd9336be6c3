"""Collects what one check finds in one column, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from iris_core.tables.batch import Batch
from iris_core.tables.findings import ROWS_NAMED, Check, Finding, with_hint

VALUES_NAMED = 5


@dataclass
class Tally:
    """The rows that one check has found in one column so far: their number, and the first rows and values."""

    check: Check
    column: str
    expected: str
    count: int = 0
    rows: list[int] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    def add(self, batch: Batch, mask: pl.Series) -> None:
        """Count the rows under a mask; keep the first rows' numbers and the first distinct values."""
        if not mask.any():
            return
        self.count += int(mask.sum())
        self.rows += batch.rows(mask, ROWS_NAMED - len(self.rows))
        if len(self.values) < VALUES_NAMED:
            news = batch.as_text(self.column).filter(mask).unique(maintain_order=True).head(VALUES_NAMED)
            self.values = list(dict.fromkeys([*self.values, *news]))[:VALUES_NAMED]

    def finding(self, names: Sequence[str]) -> Finding:
        """The finding of this tally; an unknown class or level comes with the one that was probably meant."""
        known = names if self.check in ("unknown_class", "unknown_level") else ()
        return Finding(
            check=self.check,
            column=self.column,
            rows=tuple(self.rows),
            count=self.count,
            found=", ".join(with_hint(value, known) for value in self.values),
            expected=self.expected,
        )
