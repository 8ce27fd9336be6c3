"""What the gate is told: from answers on a holdout to evidence. Reads and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from iris_core.drift.hypergeometric import at_least
from iris_core.ledger.records.promotion import (
    Champion,
    ClassSlice,
    ColumnPlacement,
    Floor,
    GateEvidence,
    Holdout,
    Interval,
    Pairs,
    Surprise,
)
from iris_core.models.holdout import Part, Split
from iris_core.promotion.paired import detectable_loss, exact_p_value, score_interval, wilson_interval
from iris_core.settings.project import Feature, TableSchema

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.base import ClassifierMixin

    Flags = NDArray[np.bool_]

LEVEL = 0.95
"""Of every interval. So of models that are worse by no more than the margin at most 2.5 % are refused for the
overall difference and as many for any class (Bonferroni): 5 % together."""
FLOOR_LIMIT = 0.05
LEARNABLE_LIMIT = 0.001
"""Stricter: it is asked of many more rows, and is what catches labels that are noise."""
FOLDS = 5
LEARNABLE_ROWS = 10_000
"""Cross-validation of more rows would cost more than the training and show nothing new."""
LEAST_UNSEEN = 15
"""With fewer rows that the champion has not seen, all rows are compared, and that is said."""
SURPRISE_LIMIT = 0.001
"""So few sound tables are held up for a human, one at a time in a thousand."""
TYPICAL_STDS = 0.75
"""Of the champion's training rows, around their mean, where project.json declares nothing. Iris in inches is
0.96 or more away, two of its columns swapped 1.4."""


@dataclass(frozen=True)
class Limits:
    """What a deployment asks of a model: both shares in [0, 1]."""

    accuracy_threshold: float
    margin: float


@dataclass(frozen=True)
class ChampionAnswers:
    """The staged version's answers to the challenger's holdout.

    :param seen: which of the rows it was trained on; None where that is not known.
    :param typical: where its own training rows say that a column's mean lies (`typical_of`).
    :param surprise: how it does on the whole new table; None where that cannot be said.
    """

    version: int
    run_id: str
    answers: Sequence[str]
    seen: Flags | None
    typical: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    surprise: Surprise | None = None


def measure_model(
    table: TableSchema,
    parts: Split,
    holdout: Holdout,
    model: ClassifierMixin,
    limits: Limits,
    champion: ChampionAnswers | None = None,
    no_champion: str = "this is the first model",
) -> GateEvidence:
    """All the numbers, whatever they say.

    :param model: the fitted challenger; clones of it are fitted to see whether the labels can be learned.
    :param no_champion: why there is no champion, where there is none.
    """
    labels = parts.holdout.labels.to_numpy(str)
    right = np.asarray(model.predict(parts.holdout.features), str) == labels
    compared = _compared(champion, right, labels, limits.margin) if champion else None
    return GateEvidence(
        accuracy=float(right.mean()),
        accuracy_interval=wilson_interval(int(right.sum()), len(right), LEVEL),
        threshold=limits.accuracy_threshold,
        holdout_rows=len(right),
        holdout=holdout,
        floor=_floor(right, labels, _majority(parts.learned), FLOOR_LIMIT),
        learnable=_learnable(parts.learned, model, holdout.seed),
        classes=tuple(_slices(table, parts, right, labels, champion)),
        columns=tuple(_columns(table, parts, champion.typical if champion else {})),
        champion=compared,
        no_champion="" if champion else no_champion,
        surprise=champion.surprise if champion else None,
    )


def _paired(first: Flags, second: Flags) -> Pairs:
    return Pairs(rows=len(first), better=int((first & ~second).sum()), worse=int((second & ~first).sum()))


def _majority(part: Part) -> str:
    """The most frequent class; of several the first in lexical order."""
    names, counts = np.unique(part.labels.to_numpy(str), return_counts=True)
    return str(names[counts.argmax()])


def _floor(right: Flags, labels: NDArray[np.str_], majority: str, limit: float) -> Floor:
    named = labels == majority
    pairs = _paired(right, named)
    return Floor(
        majority=majority,
        accuracy=float(right.mean()),
        majority_accuracy=float(named.mean()),
        pairs=pairs,
        p_value=exact_p_value(pairs),
        limit=limit,
    )


def _learnable(part: Part, model: ClassifierMixin, seed: int) -> Floor | None:
    """Whether the challenger's recipe, cross-validated on what it learned from, beats the majority class.

    None where a class has too few rows to be left out of a fold.
    """
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    part = bounded(part, seed)
    labels = part.labels.to_numpy(str)
    counts = np.unique(labels, return_counts=True)[1]
    folds = min(FOLDS, int(counts.min()))
    if folds < 2 or len(counts) < 2:
        return None
    chosen = StratifiedKFold(folds, shuffle=True, random_state=seed)
    answers = cross_val_predict(clone(model), part.features, labels, cv=chosen)
    return _floor(np.asarray(answers, str) == labels, labels, _majority(part), LEARNABLE_LIMIT)


def bounded(part: Part, seed: int) -> Part:
    """At most `LEARNABLE_ROWS` rows of a part, drawn with a seed."""
    if len(part) <= LEARNABLE_ROWS:
        return part
    chosen = np.random.default_rng(seed).choice(len(part), LEARNABLE_ROWS, replace=False)
    return Part(part.features.iloc[chosen], part.labels.iloc[chosen])


def _compared_rows(champion: ChampionAnswers) -> Flags:
    everything = np.ones(len(champion.answers), bool)
    if champion.seen is None or int((~champion.seen).sum()) < LEAST_UNSEEN:
        return everything
    return ~champion.seen


def _compared(champion: ChampionAnswers, right: Flags, labels: NDArray[np.str_], margin: float) -> Champion:
    rows = _compared_rows(champion)
    ours, theirs = right[rows], (np.asarray(champion.answers, str) == labels)[rows]
    pairs = _paired(ours, theirs)
    return Champion(
        version=champion.version,
        run_id=champion.run_id,
        accuracy=float(theirs.mean()),
        challenger_accuracy=float(ours.mean()),
        pairs=pairs,
        difference=score_interval(pairs, LEVEL),
        margin=margin,
        rows_seen=None if champion.seen is None else int(champion.seen.sum()),
        compared_on="all rows" if rows.all() else "unseen rows",
        detectable_loss=detectable_loss(pairs.rows, LEVEL, margin),
    )


def surprise_of(own: Flags, new: Flags, on_suspect: Literal["ask", "refuse", "accept"]) -> Surprise | None:
    """Whether a champion does surely worse on a new table than on its own holdout; None with too few rows.

    :param own: which of its holdout rows it answers right.
    :param new: the same of rows that it was not trained on.
    """
    if min(len(own), len(new)) < LEAST_UNSEEN:
        return None
    wrong, own_wrong = int((~new).sum()), int((~own).sum())
    return Surprise(
        right=int(new.sum()),
        rows=len(new),
        own_right=int(own.sum()),
        own_rows=len(own),
        p_value=at_least(wrong, wrong + own_wrong, len(new), len(new) + len(own)),
        limit=SURPRISE_LIMIT,
        on_suspect=on_suspect,
    )


def _slices(
    table: TableSchema,
    parts: Split,
    right: Flags,
    labels: NDArray[np.str_],
    champion: ChampionAnswers | None,
) -> Iterator[ClassSlice]:
    learned = parts.learned.labels.to_numpy(str)
    level = 1 - (1 - LEVEL) / len(table.classes)
    for name in table.classes:
        of_class = labels == name
        theirs, difference = _against(champion, of_class, right, labels, level)
        yield ClassSlice(
            name=name,
            learned_rows=int((learned == name).sum()),
            rows=int(of_class.sum()),
            recall=float(right[of_class].mean()) if of_class.any() else None,
            champion_recall=theirs,
            difference=difference,
        )


def _against(
    champion: ChampionAnswers | None,
    of_class: Flags,
    right: Flags,
    labels: NDArray[np.str_],
    level: float,
) -> tuple[float | None, Interval | None]:
    """The champion's recall of a class, and the interval of the difference to it, on the compared rows."""
    if champion is None:
        return None, None
    rows = of_class & _compared_rows(champion)
    if not rows.any():
        return None, None
    theirs = (np.asarray(champion.answers, str) == labels)[rows]
    difference = score_interval(_paired(right[rows], theirs), level)
    return float(theirs.mean()), difference


def _balanced_means(part: Part) -> pd.Series[float]:
    return part.features.groupby(part.labels.to_numpy(str)).mean().mean()


def typical_of(part: Part) -> dict[str, tuple[float, float]]:
    """Where the mean of each column is taken to be typical, going by the rows of one table."""
    means, spread = _balanced_means(part), part.features.std() * TYPICAL_STDS
    return {
        str(name): (float(means[name] - spread[name]), float(means[name] + spread[name]))
        for name in means.index
    }


def _columns(
    table: TableSchema, parts: Split, by_champion: Mapping[str, tuple[float, float]]
) -> Iterator[ColumnPlacement]:
    named: list[tuple[Literal["training", "holdout"], Part]] = [
        ("training", parts.learned),
        ("holdout", parts.holdout),
    ]
    for part, rows in named:
        means = _balanced_means(rows)
        for feature in table.features:
            mean = float(means[feature.name])
            yield _column_evidence(feature, part, mean, by_champion.get(feature.name))


def _column_evidence(
    feature: Feature,
    part: Literal["training", "holdout"],
    mean: float,
    by_champion: tuple[float, float] | None,
) -> ColumnPlacement:
    low, high = feature.typical_min, feature.typical_max
    is_declared = low is not None or high is not None
    if not is_declared and by_champion:
        low, high = by_champion
    return ColumnPlacement(
        name=feature.name,
        part=part,
        mean=mean,
        unit=feature.unit,
        typical_min=low,
        typical_max=high,
        according_to="project.json" if is_declared else "the champion's training rows" if by_champion else "",
    )
