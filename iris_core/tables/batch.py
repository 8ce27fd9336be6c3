"""The columns that a reader of tables asks for, and the batches that it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from iris_core.settings.features import Feature
from iris_core.tables.cells import Labels
from iris_core.tables.records import Lines, Positions

Numbers = NDArray[np.integer[Any]]
Carried = Literal["nothing", "lines", "frame"]


@dataclass(frozen=True)
class Wanted:
    """The columns that are read, as far as a table has them.

    `features` are read as numbers, `labels` as `classes`, `text` as it is; with `has_rest` every other column
    is read as text, too. A table without one of the `required` columns is refused. `key` is the column of
    ids; ids from Parquet are written the same whatever their type. `carried` says how each row is kept whole:
    as a line of CSV, or in a frame of all columns. With `sets_apart`, rows with more or fewer fields than the
    header are set apart instead of refused. `kinds` has the features that are more than numbers
    (`tables.kinds`).
    """

    features: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    has_rest: bool = False
    required: tuple[str, ...] = ()
    key: str = ""
    carried: Carried = "nothing"
    sets_apart: bool = False
    kinds: Mapping[str, Feature] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All columns that are asked for by name."""
        return (*self.features, *self.labels, *self.text)


@dataclass(frozen=True, eq=False)
class Uneven:
    """Rows with more or fewer fields than the header, which has `width`: their numbers and field counts."""

    numbers: Numbers
    fields: Positions
    width: int


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows of a table, in its order; rows without any value are left out.

    `numbers` are the rows' numbers as a spreadsheet shows them. `features` are Float64: null where a cell
    cannot be used, infinite where it says so, NaN where it is missing and may be; truth values and categories
    are codes (`tables.kinds`). `is_plain` means that all can be used. `lines` or `frame` hold the whole rows,
    if they are wanted. `place` is the approximate byte of the input at which the batch ends.
    """

    numbers: Numbers
    features: pl.DataFrame
    labels: Mapping[str, Labels]
    text: pl.DataFrame
    cells: Callable[[], pl.DataFrame]
    """Returns features and labels as text; called only if a message needs them."""
    is_plain: bool
    uneven: Uneven | None = None
    lines: Lines | None = None
    frame: pl.DataFrame | None = None
    place: int = 0

    def __len__(self) -> int:
        return len(self.numbers)

    def as_text(self, name: str) -> pl.Series:
        """The cells of a column that was read, as text."""
        return self.text[name] if name in self.text.columns else self.cells()[name]

    def rows(self, mask: pl.Series, limit: int) -> list[int]:
        """The numbers of the first `limit` rows under a mask."""
        return [int(number) for number in self.numbers[mask.arg_true().head(limit).to_numpy()]]

    def kept(self, mask: pl.Series) -> Batch:
        """The rows under a mask."""
        keep = mask.to_numpy()
        return replace(
            self,
            numbers=self.numbers[keep],
            features=_filtered(self.features, mask),
            labels={name: labels.filter(mask) for name, labels in self.labels.items()},
            text=_filtered(self.text, mask),
            cells=lambda: _filtered(self.cells(), mask),
            lines=self.lines.kept(keep) if self.lines else None,
            frame=self.frame.filter(mask) if self.frame is not None else None,
        )


def _filtered(frame: pl.DataFrame, mask: pl.Series) -> pl.DataFrame:
    """The rows under a mask; a frame without columns has no rows to filter."""
    return frame.filter(mask) if frame.width else frame
