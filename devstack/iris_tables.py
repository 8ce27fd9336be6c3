"""The demo's tables, from scikit-learn's Iris: nothing is downloaded, and each seed gives other bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

from iris_core.errors import ConfigError
from iris_core.settings.project import TableSchema

INFERENCE_ROWS = 30
SHIFTED = "petal_length"
SHIFT_CM = 3.0
"""Gives severity high for every split; with 2 cm it was medium for 8 of 60 splits."""

Row = tuple[float, ...]


@dataclass(frozen=True)
class Table:
    """Rows of measurements, and the species of each row."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    labels: tuple[str, ...]

    def csv(self) -> bytes:
        """The table as a CSV file in UTF-8."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows((*row, label) for row, label in zip(self.rows, self.labels, strict=True))
        return text.getvalue().encode()


def split_iris(schema: TableSchema, seed: int) -> tuple[Table, Table]:
    """A training table of 120 rows and an inference table of 30, both stratified by species.

    :param schema: names the columns and classes.
    :param seed: seed of the random split.
    :raises ConfigError: the project's table is not Iris.
    """
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    iris = load_iris()
    _check_is_iris(schema, list(iris.target_names))
    labels = [str(iris.target_names[number]) for number in iris.target]
    rows = [tuple(float(value) for value in row) for row in iris.data]
    parts = train_test_split(rows, labels, test_size=INFERENCE_ROWS, random_state=seed, stratify=labels)
    training_rows, inference_rows, training_labels, inference_labels = parts
    return (
        _table(schema, training_rows, training_labels),
        _table(schema, inference_rows, inference_labels),
    )


def shifted(table: Table, schema: TableSchema) -> Table:
    """The same flowers with petals 3 cm longer, within the plausible range: this is drift, not bad data."""
    column = table.columns.index(SHIFTED)
    longest = schema.features[column].max

    def shift(row: Row) -> Row:
        longer = min(round(row[column] + SHIFT_CM, 1), longest)
        return (*row[:column], longer, *row[column + 1 :])

    return replace(table, rows=tuple(shift(row) for row in table.rows))


def _table(schema: TableSchema, rows: Sequence[Row], labels: Sequence[str]) -> Table:
    return Table((*schema.feature_names, schema.target), tuple(rows), tuple(labels))


def _check_is_iris(schema: TableSchema, species: Sequence[str]) -> None:
    names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    if schema.feature_names != names or sorted(schema.classes) != sorted(species):
        raise ConfigError(
            f"project.json describes columns {list(schema.feature_names)} and classes "
            f"{list(schema.classes)}; the demo brings Iris ({list(names)}, {list(species)}). "
            "Upload your own tables: iris upload FILE --as train."
        )
