"""What a scoring pass is told: how to write, which rows, and where to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Format = Literal["csv", "parquet"]


class Sink(Protocol):
    """Where a part is written, piece by piece."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Take the next piece."""


@dataclass(frozen=True)
class Options:
    """How predictions are written; every field changes the output's bytes.

    `model_version` is what the column of this name holds. `csv_safe` defuses formulas in CSV, also in that of
    the rejects.
    """

    model_version: str
    probabilities: bool = False
    format: Format = "csv"
    csv_safe: bool = False


@dataclass(frozen=True)
class Range:
    """Whole rows of a plain CSV: bytes [start, end), the first row's number, and where the header ends."""

    head: int
    start: int
    end: int
    first_row: int
