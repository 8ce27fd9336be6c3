"""The tables that the demo plays with, by project: Iris and the penguins. Each seed gives other bytes."""

from __future__ import annotations

from dataclasses import dataclass

from devstack.iris_tables import shifted, split_iris
from devstack.penguin_tables import elsewhere, split_penguins
from iris_core.settings.project import Project, TableSchema

PENGUINS = "penguins"


@dataclass(frozen=True)
class Example:
    """Tables to train on, to score, and to score once more; `shift` says what the last one is."""

    training: bytes
    inference: bytes
    shifted: bytes
    rows: tuple[int, int]
    shift: str


def example_of(project: Project, seed: int) -> Example:
    """The tables of a project.

    :param project: Iris, or the penguins.
    :param seed: seed of the random split.
    :raises ConfigError: the project is another, or its table has been changed.
    """
    return _penguins(project.table, seed) if project.name == PENGUINS else _iris(project.table, seed)


def _iris(schema: TableSchema, seed: int) -> Example:
    training, inference = split_iris(schema, seed)
    return Example(
        training.csv(),
        inference.csv(),
        shifted(inference, schema).csv(),
        (len(training.rows), len(inference.rows)),
        "the same flowers with petals 3 cm longer",
    )


def _penguins(schema: TableSchema, seed: int) -> Example:
    training, inference = split_penguins(schema, seed)
    return Example(
        training.write_csv().encode(),
        inference.write_csv().encode(),
        elsewhere(inference).write_csv().encode(),
        (training.height, inference.height),
        "the same penguins on another island, with bills 12 mm longer",
    )
