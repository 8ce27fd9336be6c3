"""Tries the gate with planted models, poisoned and sound.

Flowers are drawn from a normal distribution for each species, fitted to Iris and rounded like it. So every
table is new, and two sound models are equal in truth. A poison spoils the training rows only, or the whole
table, holdout included, as a wrong upload does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from iris_core.errors import ConfigError
from iris_core.ledger.records.gate import Holdout
from iris_core.models.holdout import Part, Split, split
from iris_core.promotion.answers import answers_of
from iris_core.promotion.columns import typical_of
from iris_core.promotion.gate import Verdict, gate_verdict
from iris_core.promotion.measurement import ChampionAnswers, Limits, measure_model
from iris_core.settings.project import TableSchema

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import ClassifierMixin

INCH_CM = 2.54
SHARE = 0.2
INFORMATIVE = ("petal_length", "petal_width")

Reading = Literal["training rows", "whole table"]
Poison = Callable[[Part, np.random.Generator], Part]
Fit = Callable[[Part], "ClassifierMixin"]


@dataclass(frozen=True)
class Outcome:
    """One planted model: its kind, whether it came before a champion, and the gate's verdict."""

    kind: str
    reading: Reading
    before: Literal["first model", "champion"]
    verdict: Verdict


@dataclass(frozen=True)
class Champion:
    """A staged model, and the ranges of the columns' means by its training rows."""

    model: ClassifierMixin
    typical: Mapping[str, tuple[float, float]]


class Flowers:
    """Draws tables of the same three species.

    :raises ConfigError: the project's table is not Iris.
    """

    def __init__(self, table: TableSchema) -> None:
        from sklearn.datasets import load_iris

        iris = load_iris()
        if len(table.features) != iris.data.shape[1] or len(table.classes) != len(iris.target_names):
            raise ConfigError("The gate's trial draws Iris: it needs Iris' table in project.json.")
        self.table = table
        self._species = [iris.data[iris.target == number] for number in range(len(table.classes))]

    def draw(self, rng: np.random.Generator, rows: int) -> pd.DataFrame:
        """A labelled table with each species in equal parts, shuffled."""
        import pandas as pd

        each = rows // len(self._species)
        drawn = [rng.multivariate_normal(s.mean(axis=0), np.cov(s.T), each) for s in self._species]
        frame = pd.DataFrame(np.vstack(drawn).round(1), columns=list(self.table.feature_names))
        for feature in self.table.features:
            frame[feature.name] = frame[feature.name].clip(feature.min, feature.max)
        frame[self.table.target] = np.repeat(self.table.classes, each)
        return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)


def shuffled_labels(part: Part, rng: np.random.Generator) -> Part:
    """Shuffle the labels."""
    import pandas as pd

    return Part(part.features, pd.Series(rng.permutation(part.labels.to_numpy()), part.labels.index))


def missing_class(part: Part, rng: np.random.Generator) -> Part:
    """Drop one species."""
    kept = part.labels != rng.choice(sorted(part.labels.unique()))
    return Part(part.features[kept], part.labels[kept])


def swapped_columns(part: Part, rng: np.random.Generator) -> Part:
    """Exchange two columns."""
    one, other = rng.choice(part.features.columns.to_numpy(), 2, replace=False)
    return Part(part.features.rename(columns={one: other, other: one})[part.features.columns], part.labels)


def inches(part: Part, rng: np.random.Generator) -> Part:
    """Convert one column, or all of them, from centimetres to inches."""
    names = list(part.features.columns)
    chosen = names if rng.random() < 0.5 else [str(rng.choice(names))]
    features = part.features.assign(**{name: (part.features[name] / INCH_CM).round(2) for name in chosen})
    return Part(features, part.labels)


POISONS: dict[str, Poison] = {
    "shuffled labels": shuffled_labels,
    "a class missing": missing_class,
    "columns swapped": swapped_columns,
    "inches": inches,
}
CONSTANT = "constant predictor"
READINGS: tuple[Reading, ...] = ("training rows", "whole table")


class Trial:
    """Plants models before the gate.

    :param fit: the deployment's own training.
    :param rows: of each table; a fifth of them is the holdout.
    """

    def __init__(self, table: TableSchema, fit: Fit, limits: Limits, rows: int) -> None:
        self._flowers = Flowers(table)
        self._table = table
        self._fit = fit
        self._limits = limits
        self._rows = rows

    def poisoned(self, seed: int) -> Iterator[Outcome]:
        """Every poison once, both ways it can come, as the first model and before a sound champion."""
        rng = np.random.default_rng([seed, 1])
        champion, sound = self._sound_champion(rng), self._split(rng)
        for reading in READINGS:
            for name, poison in POISONS.items():
                yield from self._both(name, reading, _spoilt(poison, sound, reading, seed), champion)
        yield from self._both(CONSTANT, "training rows", sound, champion, _constant(sound.learned, rng))

    def equal(self, seed: int) -> Outcome:
        """A model that learned as much as the champion, from other flowers."""
        rng = np.random.default_rng([seed, 2])
        champion, parts = self._sound_champion(rng), self._split(rng)
        return self._judged("equal", "training rows", parts, champion, self._fit(parts.learned))

    def better(self, seed: int) -> Outcome:
        """A model before a champion that learned nothing from the petals."""
        rng = np.random.default_rng([seed, 3])
        learned = self._split(rng).learned
        noise = {name: rng.permutation(learned.features[name].to_numpy()) for name in INFORMATIVE}
        blind = Part(learned.features.assign(**noise), learned.labels)
        champion = Champion(self._fit(blind), typical_of(blind))
        parts = self._split(rng)
        return self._judged("better", "training rows", parts, champion, self._fit(parts.learned))

    def first(self, seed: int) -> Outcome:
        """A sound model, and nothing staged before it."""
        parts = self._split(np.random.default_rng([seed, 4]))
        return self._judged("sound", "training rows", parts, None, self._fit(parts.learned))

    def _split(self, rng: np.random.Generator) -> Split:
        return split(self._flowers.draw(rng, self._rows), self._table, SHARE, int(rng.integers(2**31)))

    def _sound_champion(self, rng: np.random.Generator) -> Champion:
        learned = self._split(rng).learned
        return Champion(self._fit(learned), typical_of(learned))

    def _both(
        self,
        kind: str,
        reading: Reading,
        parts: Split,
        champion: Champion,
        model: ClassifierMixin | None = None,
    ) -> Iterator[Outcome]:
        model = model or self._fit(parts.learned)
        for standing in (None, champion):
            yield self._judged(kind, reading, parts, standing, model)

    def _judged(
        self,
        kind: str,
        reading: Reading,
        parts: Split,
        champion: Champion | None,
        model: ClassifierMixin,
    ) -> Outcome:
        holdout = Holdout(
            object="drawn",
            digest=parts.holdout.digest(),
            rows=len(parts.holdout),
            learned_rows=len(parts.learned),
            share=SHARE,
            seed=0,
        )
        answers = None
        if champion is not None:
            labels = parts.holdout.labels.to_numpy(str)
            given = answers_of(champion.model, parts.holdout.features, labels, self._limits.metric)
            unseen = np.zeros(len(labels), bool)
            answers = ChampionAnswers(1, "champion", given, unseen, champion.typical)
        verdict = gate_verdict(measure_model(self._table, parts, holdout, model, self._limits, answers))
        return Outcome(kind, reading, "first model" if champion is None else "champion", verdict)


def _spoilt(poison: Poison, sound: Split, reading: Reading, seed: int) -> Split:
    """The same draw for both parts, so that a whole table is spoilt in one way."""
    learned = poison(sound.learned, np.random.default_rng([seed, 5]))
    if reading == "training rows":
        return Split(learned, sound.holdout)
    return Split(learned, poison(sound.holdout, np.random.default_rng([seed, 5])))


def _constant(learned: Part, rng: np.random.Generator) -> ClassifierMixin:
    from sklearn.dummy import DummyClassifier

    named = str(rng.choice(sorted(learned.labels.unique())))
    return DummyClassifier(strategy="constant", constant=named).fit(learned.features, learned.labels)
