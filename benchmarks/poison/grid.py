"""A small table of the project's schema, as rows of text that the kinds of objects are made from."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from iris_core.settings.project import TableSchema

NOTE = "note"


@dataclass(frozen=True)
class Grid:
    """Columns and rows of text; `features` hold numbers, `target` and `key` name the columns of labels."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    features: tuple[str, ...]
    target: str
    key: str

    def csv(self, separator: str = ",", line_end: str = "\n") -> str:
        """As a CSV, quoted where it must be."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter=separator, lineterminator=line_end)
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()

    def bytes(self) -> bytes:
        """The CSV in UTF-8."""
        return self.csv().encode()

    def place(self, name: str) -> int:
        """A column's place."""
        return self.columns.index(name)

    def renamed(self, names: Sequence[str]) -> Grid:
        """The same rows under other names."""
        return replace(self, columns=tuple(names))

    def with_column(self, name: str, cells: Callable[[int], str]) -> Grid:
        """One column more, at the right; `cells` gives each row's."""
        rows = tuple((*row, cells(number)) for number, row in enumerate(self.rows))
        return replace(self, columns=(*self.columns, name), rows=rows)

    def with_cells(self, name: str, cells: Callable[[int, str], str]) -> Grid:
        """Other cells in a column; `cells` is given each row's number and cell."""
        place = self.place(name)
        rows = tuple(
            (*row[:place], cells(number, row[place]), *row[place + 1 :])
            for number, row in enumerate(self.rows)
        )
        return replace(self, rows=rows)

    def some_column(self, chance: random.Random) -> str:
        """A feature where there are some, else the target."""
        return chance.choice(self.features or (self.target,))


def flowers(table: TableSchema, chance: random.Random, rows: int, first_id: int = 0) -> Grid:
    """A sound table: features, target and key; classes lie apart, in equal parts."""
    classes = len(table.classes)

    def row(number: int) -> tuple[str, ...]:
        place = number % classes
        cells = []
        for feature in table.features:
            share = 0.1 + 0.8 * (place + chance.betavariate(4, 4)) / classes
            cells.append(f"{feature.min + (feature.max - feature.min) * share:.4f}")
        return (*cells, table.classes[place], f"r{first_id + number}")

    lines = [row(number) for number in range(rows)]
    chance.shuffle(lines)
    columns = (*table.feature_names, table.target, table.key)
    return Grid(columns, tuple(lines), table.feature_names, table.target, table.key)


def answers(scored: Grid) -> Grid:
    """The labels of a table, by its key."""
    places = scored.place(scored.key), scored.place(scored.target)
    rows = tuple(tuple(row[place] for place in places) for row in scored.rows)
    return Grid((scored.key, scored.target), rows, (), scored.target, scored.key)
