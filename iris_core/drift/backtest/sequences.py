"""Measures how many models alert without drift: all batches of a model are compared with one kept reference.

Rounds with a new reference each cannot measure this: if a reference is off by luck, every batch of its model
is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from iris_core.drift.backtest.populations import Population
from iris_core.drift.backtest.rates import Rounds, side
from iris_core.drift.debounce import counted, debounced
from iris_core.drift.known import Earlier, Known
from iris_core.drift.pooling import RECENT
from iris_core.drift.sides import Side
from iris_core.drift.thresholds import Severity
from iris_core.drift.verdict import judge


@dataclass(frozen=True)
class Course:
    """Rows of the reference and of a batch, and how many batches a model sees."""

    reference: int
    batch: int
    batches: int = 100


class Models(BaseModel):
    """Of so many models, how many alerted at `low` or worse, though nothing had drifted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: int
    batch: int
    batches: int
    models: int
    alerted: int

    @property
    def share(self) -> float:
        """Share of the models with at least one alert."""
        return self.alerted / self.models


def play(population: Population, course: Course, models: int, options: Rounds) -> Models:
    """Let models judge batches of the population that they learnt from.

    :param models: how many, each with a reference of its own.
    :param options: seed, and the debounce.
    """
    rng = np.random.default_rng([options.seed, course.reference, course.batch])
    alerted = 0
    for _ in range(models):
        reference = _side(population, rng, course.reference)
        alerted += _alerts(_batches(population, course, rng), reference, options)
    return Models(models=models, alerted=alerted, **vars(course))


def _batches(population: Population, course: Course, rng: np.random.Generator) -> Iterator[Side]:
    for _ in range(course.batches):
        yield _side(population, rng, course.batch)


def _side(population: Population, rng: np.random.Generator, rows: int) -> Side:
    return side(population.table(rng, rows), population.features, population.codes)


def _alerts(batches: Iterator[Side], reference: Side, options: Rounds) -> bool:
    """Whether any of the batches alerts."""
    history: list[Severity] = []
    earlier: list[Earlier] = []
    for batch in batches:
        found = judge(reference, batch, Known(earlier=earlier[-RECENT:]))
        earlier.append(Earlier(found.scores, is_judged=found.severity != "insufficient"))
        history.append(counted(found.severity, found.chance, options.needed))
        if debounced(history, options.window, options.needed, "low").alert:
            return True
    return False
