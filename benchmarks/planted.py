"""Plays of the gate: wrong labels, leaks, tables of few values, rare classes, slow loss.

Each function plays one seed with the gate's own functions and returns the results by name. A model is held if
the gate does not stage it by itself: it is refused, or a human is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import ClassifierMixin  # noqa: TID253 - a class below is one

from benchmarks.trial import SHARE, Flowers
from iris_core import training
from iris_core.ledger.records.gate import GateEvidence, Holdout
from iris_core.models.holdout import Part, Split, split
from iris_core.models.registry import reference_of
from iris_core.promotion.gate import gate_verdict
from iris_core.promotion.measurement import ChampionAnswers, Limits, measure_model
from iris_core.promotion.rivals import answers_to
from iris_core.settings.features import Feature
from iris_core.settings.project import TableSchema
from iris_core.settings.variables import load_settings

if TYPE_CHECKING:
    import pandas as pd

CHAMPION = reference_of("champion", 1, "champion", {})
LIMITS = Limits(accuracy_threshold=0.1, margin=0.02)
LEAKS_INTO = "sepal_width"
"""The column that tells least about the species."""

Spoil = Callable[["pd.DataFrame", TableSchema, np.random.Generator], "pd.DataFrame"]
Came = Iterator[tuple[str, bool]]


@dataclass(frozen=True)
class Judged:
    """The gate's evidence about one model."""

    evidence: GateEvidence

    @property
    def is_refused(self) -> bool:
        return not gate_verdict(self.evidence).passed

    @property
    def is_held(self) -> bool:
        return self.is_refused or self.evidence.is_suspect

    def fails(self, check: str) -> bool:
        """Whether one check refuses it."""
        return any(each.name == check and not each.passed for each in gate_verdict(self.evidence).checks)


def config_of(table: TableSchema) -> training.TrainingConfig:
    """The training configuration of this checkout."""
    return training.TrainingConfig(table=table)


def fitted(part: Part, table: TableSchema) -> ClassifierMixin:
    """A model as this checkout trains it."""
    return training.recipe(config_of(table)).fit(part.features, part.labels)


def judged(
    table: TableSchema,
    parts: Split,
    model: ClassifierMixin,
    champion: ChampionAnswers | None = None,
    anchor: ChampionAnswers | None = None,
) -> Judged:
    """Judge a model.

    :param table: names features and classes.
    :param parts: the model's training rows and holdout.
    :param model: the fitted model.
    :param champion: the staged version's answers, if there is one.
    :param anchor: the best earlier version's answers, if that is another one.
    """
    holdout = Holdout(
        object="drawn",
        digest="",
        rows=len(parts.holdout),
        learned_rows=len(parts.learned),
        share=SHARE,
        seed=0,
    )
    return Judged(measure_model(table, parts, holdout, model, LIMITS, champion, anchor=anchor))


def staged(model: ClassifierMixin, own: Split, parts: Split) -> ChampionAnswers:
    """The answers of a staged model, which was trained on its own table, to another table."""
    return answers_to(CHAMPION, model, parts, own, LIMITS.metric, "ask")


# Labels and leaks


def exchanged(frame: pd.DataFrame, table: TableSchema, rng: np.random.Generator) -> pd.DataFrame:
    """The labels of two classes are exchanged."""
    return _turned(frame, table, rng, 1.0)


def half_flipped(frame: pd.DataFrame, table: TableSchema, rng: np.random.Generator) -> pd.DataFrame:
    """The labels of two classes are exchanged in half of their rows."""
    return _turned(frame, table, rng, 0.5)


def _turned(frame: pd.DataFrame, table: TableSchema, rng: np.random.Generator, share: float) -> pd.DataFrame:
    one, other = rng.choice(table.classes, 2, replace=False)
    labels, is_chosen = frame[table.target].to_numpy(str), rng.random(len(frame)) < share
    turned = np.where(labels == one, other, np.where(labels == other, one, labels))
    return frame.assign(**{table.target: np.where(is_chosen, turned, labels)})


def noise_20(frame: pd.DataFrame, table: TableSchema, rng: np.random.Generator) -> pd.DataFrame:
    """A fifth of the labels is drawn anew from all classes."""
    labels = frame[table.target].to_numpy(str)
    drawn = rng.choice(table.classes, len(frame))
    return frame.assign(**{table.target: np.where(rng.random(len(frame)) < 0.2, drawn, labels)})


def leak(frame: pd.DataFrame, table: TableSchema, rng: np.random.Generator) -> pd.DataFrame:
    """A column tells the label, with its mean and spread kept. Which value stands for which class is
    random."""
    codes = frame[table.target].map(
        dict(zip(table.classes, rng.permutation(len(table.classes)), strict=True))
    )
    was = frame[LEAKS_INTO]
    told = (codes - codes.mean()) / codes.std() * was.std() + was.mean() + rng.normal(0, 0.02, len(frame))
    return frame.assign(**{LEAKS_INTO: told.clip(was.min(), was.max())})


SUSPECTS: tuple[tuple[str, Spoil | None, tuple[int, ...]], ...] = (
    ("exchanged", exchanged, (120,)),
    ("half_flipped", half_flipped, (120,)),
    ("leak", leak, (120, 600)),
    ("noise_20", noise_20, (600,)),
    ("sound", None, (120, 600)),
)


def suspects(seed: int) -> Came:
    """Play whole tables of Iris, spoilt or sound, before a sound champion: whether the model is held."""
    table = load_settings({}).project.table
    flowers = Flowers(table)
    for number, (name, spoil, sizes) in enumerate(SUSPECTS):
        for rows in sizes:
            rng = np.random.default_rng([seed, number, rows])
            own = split(flowers.draw(rng, rows), table, SHARE, seed)
            drawn = flowers.draw(rng, rows)
            parts = split(spoil(drawn, table, rng) if spoil else drawn, table, SHARE, seed + 1)
            champion = staged(fitted(own.learned, table), own, parts)
            yield f"{name}, {rows} rows", judged(table, parts, fitted(parts.learned, table), champion).is_held


# Tables of few values

BITS = tuple(f"bit_{n}" for n in range(8))
DISCRETE = TableSchema(
    features=tuple(Feature(name=name, min=-1, max=2) for name in BITS), target="answer", classes=("no", "yes")
)


def answers_in_bits(rng: np.random.Generator, rows: int = 2_000) -> pd.DataFrame:
    """Eight binary columns, three of which decide by majority; a tenth of the labels is wrong."""
    import pandas as pd

    bits = rng.integers(0, 2, (rows, len(BITS)))
    says_yes = (bits[:, :3].sum(1) >= 2) ^ (rng.random(rows) < 0.1)
    return pd.DataFrame(bits.astype(float), columns=list(BITS)).assign(answer=np.where(says_yes, "yes", "no"))


def discrete(seed: int) -> Came:
    """Play a model 0.20 better in truth than its champion, and one 0.20 worse."""
    rng = np.random.default_rng([seed, 21])
    own = split(answers_in_bits(rng), DISCRETE, SHARE, seed)
    parts = split(answers_in_bits(rng), DISCRETE, SHARE, seed + 1)
    knows_less = fitted(_without_a_bit(own.learned, rng), DISCRETE)
    champion = staged(knows_less, own, parts)
    yield "better, accepted", not judged(DISCRETE, parts, fitted(parts.learned, DISCRETE), champion).is_held
    champion = staged(fitted(own.learned, DISCRETE), own, parts)
    worse = fitted(_without_a_bit(parts.learned, rng), DISCRETE)
    yield "worse, refused", judged(DISCRETE, parts, worse, champion).fails("champion")


def _without_a_bit(learned: Part, rng: np.random.Generator) -> Part:
    """Shuffle one of the three columns that decide, so a model learns nothing from it."""
    bit = rng.permutation(learned.features["bit_0"].to_numpy())
    return Part(learned.features.assign(bit_0=bit), learned.labels)


# Rare classes

NUMBERS = tuple(f"x{n}" for n in range(4))
RARE = TableSchema(
    features=tuple(Feature(name=name, min=-100, max=100) for name in NUMBERS),
    target="kind",
    classes=("usual", "rare"),
)
RARITIES = ((400, 0.05), (2_000, 0.01))
APART = 2.8
"""Standard deviations in each column: a recall of about 0.97."""


def with_a_rare_class(rng: np.random.Generator, rows: int, share: float, apart: float) -> pd.DataFrame:
    """Two clouds, one of them of few rows."""
    import pandas as pd

    is_rare = np.arange(rows) < round(rows * share)
    values = rng.normal(0, 1, (rows, len(NUMBERS))) + apart * is_rare[:, None]
    frame = pd.DataFrame(values, columns=list(NUMBERS)).assign(kind=np.where(is_rare, "rare", "usual"))
    return frame.iloc[rng.permutation(rows)].reset_index(drop=True)


def imbalanced(seed: int) -> Came:
    """Play a good model of a rare class, first and before a champion, and models that never predict the
    class."""
    from sklearn.dummy import DummyClassifier

    for rows, share in RARITIES:
        rng = np.random.default_rng([seed, 22, rows])
        own, parts = (
            split(with_a_rare_class(rng, rows, share, APART), RARE, SHARE, seed + n) for n in (0, 1)
        )
        good = fitted(parts.learned, RARE)
        champion = staged(fitted(own.learned, RARE), own, parts)
        name = f"{1 - share:.0%} of one class, {rows} rows"
        for before in (None, champion):
            yield f"good, {name}", not judged(RARE, parts, good, before).is_held
        blind = DummyClassifier(strategy="most_frequent").fit(parts.learned.features, parts.learned.labels)
        yield f"blind, {name}", judged(RARE, parts, blind).is_refused
        noise = split(with_a_rare_class(rng, rows, share, 0.0), RARE, SHARE, seed)
        yield f"blind, {name}", judged(RARE, noise, fitted(noise.learned, RARE)).is_refused
