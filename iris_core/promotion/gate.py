"""The gate: from answers on a holdout to evidence, and from evidence to a verdict. Reads and writes nothing.

A challenger is refused when it does not reach ACCURACY_THRESHOLD; when it is not shown to be better than
always naming the majority class; when its table's labels cannot be learned, a class is missing, or a
column's mean is not where `project.json` says it typically is; or when it is shown to be worse than the
champion, in all or at one class, and not shown to stay within PROMOTION_MARGIN. What a small holdout cannot
show about a champion is said, and not held against the challenger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from iris_core.holdout import Part, Split
from iris_core.promotion.evidence import (
    Champion,
    Check,
    ClassSlice,
    Column,
    Evidence,
    Floor,
    Holdout,
    Interval,
    Pairs,
    Verdict,
)
from iris_core.promotion.paired import detectable_loss, exact_p_value, score_interval, wilson_interval
from iris_core.schema import TableSchema

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.base import ClassifierMixin

    Flags = NDArray[np.bool_]

LEVEL = 0.95
"""Of every interval; so at most 2.5 % of equal models are refused for the overall difference, and as many for
any class (Bonferroni): 5 % together."""
FLOOR_LIMIT = 0.05
LEARNABLE_LIMIT = 0.001
"""Stricter: it is asked of many more rows, and is what catches labels that are noise."""
FOLDS = 5
LEARNABLE_ROWS = 10_000
"""Cross-validation of more rows would cost more than the training and show nothing new."""
LEAST_UNSEEN = 15
"""With fewer rows that the champion has not seen, all rows are compared, and that is said."""
LEAST_CLASS_ROWS = 3
"""Of a class with fewer holdout rows, none may be recognised by chance."""


@dataclass(frozen=True)
class Limits:
    """What a deployment asks of a model: both shares in [0, 1]."""

    accuracy_threshold: float
    margin: float


@dataclass(frozen=True)
class ChampionAnswers:
    """The staged version's answers to the challenger's holdout.

    :param seen: which of the rows it was trained on; None where that is not known.
    """

    version: int
    run_id: str
    answers: Sequence[str]
    seen: Flags | None


def measure(
    table: TableSchema,
    parts: Split,
    holdout: Holdout,
    model: ClassifierMixin,
    limits: Limits,
    champion: ChampionAnswers | None = None,
    no_champion: str = "this is the first model",
) -> Evidence:
    """All the numbers, whatever they say.

    :param model: the fitted challenger; clones of it are fitted to see whether the labels can be learned.
    :param no_champion: why there is no champion, where there is none.
    """
    labels = parts.holdout.labels.to_numpy(str)
    right = np.asarray(model.predict(parts.holdout.features), str) == labels
    compared = _compared(champion, right, labels, limits.margin) if champion else None
    return Evidence(
        accuracy=float(right.mean()),
        accuracy_interval=wilson_interval(int(right.sum()), len(right), LEVEL),
        threshold=limits.accuracy_threshold,
        holdout_rows=len(right),
        holdout=holdout,
        floor=_floor(right, labels, _majority(parts.learned), FLOOR_LIMIT),
        learnable=_learnable(parts.learned, model, holdout.seed),
        classes=tuple(_slices(table, parts, right, labels, champion)),
        columns=tuple(_columns(table, parts)),
        champion=compared,
        no_champion="" if champion else no_champion,
    )


def _pairs(first: Flags, second: Flags) -> Pairs:
    return Pairs(rows=len(first), better=int((first & ~second).sum()), worse=int((second & ~first).sum()))


def _majority(part: Part) -> str:
    """The most frequent class; of several the first in lexical order."""
    names, counts = np.unique(part.labels.to_numpy(str), return_counts=True)
    return str(names[counts.argmax()])


def _floor(right: Flags, labels: NDArray[np.str_], majority: str, limit: float) -> Floor:
    named = labels == majority
    pairs = _pairs(right, named)
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

    part = _bounded(part, seed)
    labels = part.labels.to_numpy(str)
    counts = np.unique(labels, return_counts=True)[1]
    folds = min(FOLDS, int(counts.min()))
    if folds < 2 or len(counts) < 2:
        return None
    chosen = StratifiedKFold(folds, shuffle=True, random_state=seed)
    answers = cross_val_predict(clone(model), part.features, labels, cv=chosen)
    return _floor(np.asarray(answers, str) == labels, labels, _majority(part), LEARNABLE_LIMIT)


def _bounded(part: Part, seed: int) -> Part:
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
    pairs = _pairs(ours, theirs)
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
        detectable_loss=detectable_loss(pairs.rows, LEVEL),
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
    difference = score_interval(_pairs(right[rows], theirs), level)
    return float(theirs.mean()), difference


def _columns(table: TableSchema, parts: Split) -> Iterator[Column]:
    named: list[tuple[Literal["training", "holdout"], Part]] = [
        ("training", parts.learned),
        ("holdout", parts.holdout),
    ]
    for part, rows in named:
        means = rows.features.groupby(rows.labels.to_numpy(str)).mean().mean()
        for feature in table.features:
            yield Column(
                name=feature.name,
                part=part,
                mean=float(means[feature.name]),
                unit=feature.unit,
                typical_min=feature.typical_min,
                typical_max=feature.typical_max,
            )


def judge(evidence: Evidence) -> Verdict:
    """The verdict that the evidence gives: the same evidence, the same verdict."""
    return Verdict(
        checks=(
            _check_threshold(evidence),
            _check_floor(evidence.floor),
            _check_learnable(evidence.learnable),
            *_check_classes(evidence.classes),
            *_check_columns(evidence.columns),
            *_check_champion(evidence),
        )
    )


def _check_threshold(evidence: Evidence) -> Check:
    passed = evidence.accuracy >= evidence.threshold
    interval = evidence.accuracy_interval
    return Check(
        name="threshold",
        passed=passed,
        sentence=f"accuracy {evidence.accuracy:.3f} on {evidence.holdout_rows} holdout rows "
        f"is {'at least' if passed else 'below'} ACCURACY_THRESHOLD={evidence.threshold:g} "
        f"(95 % interval {interval.low:.2f} to {interval.high:.2f})",
    )


def _check_floor(floor: Floor) -> Check:
    shown = "better" if floor.passed else "not shown to be better"
    too_small = _more_rows(floor.pairs) if _too_small(floor) else ""
    return Check(
        name="floor",
        passed=floor.passed,
        sentence=f"{shown} than always answering {floor.majority!r}, right on {floor.majority_accuracy:.3f} "
        f"(exact paired test, p = {floor.p_value:.2g}, at most {floor.limit:g} wanted){too_small}",
    )


def _too_small(floor: Floor) -> bool:
    """Whether not even flawless answers would have shown it."""
    rows = floor.pairs.rows
    gained = rows - round(rows * floor.majority_accuracy)
    return exact_p_value(Pairs(rows=rows, better=gained, worse=0)) > floor.limit


def _more_rows(pairs: Pairs) -> str:
    return f": {pairs.rows} holdout rows are too few to show it, upload a larger table"


def _check_learnable(learnable: Floor | None) -> Check:
    name = "learnable"
    if learnable is None:
        sentence = "some class has fewer than two rows to learn from: give each more"
        return Check(name=name, passed=False, sentence=sentence)
    can = "can" if learnable.passed else "cannot"
    hint = "" if learnable.passed else ": were labels shuffled, or moved against their rows?"
    return Check(
        name=name,
        passed=learnable.passed,
        sentence=f"the labels {can} be learned from the features (cross-validated accuracy "
        f"{learnable.accuracy:.3f}, majority class {learnable.majority_accuracy:.3f}, "
        f"p = {learnable.p_value:.2g}){hint}",
    )


def _check_classes(slices: Sequence[ClassSlice]) -> Iterator[Check]:
    missing = [each.name for each in slices if not each.learned_rows or not each.rows]
    ignored = [each.name for each in slices if each.recall == 0 and each.rows >= LEAST_CLASS_ROWS]
    if missing:
        sentence = f"no rows of {_listed(missing)} to learn from or to judge with"
    elif ignored:
        sentence = f"not one row of {_listed(ignored)} was recognised"
    else:
        recalls = ", ".join(f"{each.name} {each.recall:.2f}" for each in slices)
        sentence = f"every class is recognised (recall: {recalls})"
    yield Check(name="classes", passed=not (missing or ignored), sentence=sentence)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _check_columns(columns: Sequence[Column]) -> Iterator[Check]:
    declared = [each for each in columns if each.typical_min is not None or each.typical_max is not None]
    if not declared:
        return
    odd = {each.name: each for each in reversed(declared) if not each.is_typical}
    sentence = "every column's mean is where project.json says it typically is"
    if odd:
        told = ", ".join(_oddity(each) for each in reversed(odd.values()))
        sentence = f"{told}: were columns swapped, or is the unit another?"
    yield Check(name="columns", passed=not odd, sentence=sentence)


def _oddity(column: Column) -> str:
    low = "-∞" if column.typical_min is None else f"{column.typical_min:g}"
    high = "∞" if column.typical_max is None else f"{column.typical_max:g}"
    unit = f" {column.unit}" if column.unit else ""
    return (
        f"the {column.part} rows' mean of {column.name} is {column.mean:.2f}{unit}, "
        f"typically {low} to {high}{unit}"
    )


def _check_champion(evidence: Evidence) -> Iterator[Check]:
    champion = evidence.champion
    if champion is None:
        sentence = f"no champion to compare with: {evidence.no_champion}"
        yield Check(name="champion", passed=True, sentence=sentence)
        return
    yield Check(
        name="champion",
        passed=not _is_worse(champion.difference, champion.margin),
        sentence=f"{_standing(champion)} champion version {champion.version} on the same "
        f"{champion.pairs.rows} {_kind_of_rows(champion)} ({champion.challenger_accuracy:.3f} against "
        f"{champion.accuracy:.3f}, difference {champion.pairs.difference:+.3f}, 95 % interval "
        f"{champion.difference.low:+.3f} to {champion.difference.high:+.3f}, "
        f"PROMOTION_MARGIN={champion.margin:g})",
    )
    yield _check_recalls(evidence.classes, champion.margin)


def _is_worse(difference: Interval, margin: float) -> bool:
    """Shown to be worse, and not shown to be within the margin."""
    return difference.high < 0 and difference.low < -margin


def _standing(champion: Champion) -> str:
    if _is_worse(champion.difference, champion.margin):
        return "worse than"
    if champion.difference.low > 0:
        return "better than"
    if champion.difference.low >= -champion.margin:
        return "not worse, within the margin, than"
    return f"not shown to be worse (a loss below {champion.detectable_loss:.2f} would not show here) than"


def _kind_of_rows(champion: Champion) -> str:
    if champion.compared_on == "unseen rows":
        return "holdout rows that it was not trained on"
    if champion.rows_seen is None:
        return "holdout rows; which of them it was trained on is not known"
    seen = champion.rows_seen
    return f"holdout rows, {seen} of which it was trained on" if seen else "holdout rows"


def _check_recalls(slices: Sequence[ClassSlice], margin: float) -> Check:
    """A class may lose what the whole may, were it all lost in that class and classes equally frequent."""
    allowed = margin * len(slices)
    worse = [each for each in slices if each.difference and _is_worse(each.difference, allowed)]
    told = [
        f"{each.name} (recall {each.recall:.2f} against {each.champion_recall:.2f}, difference at most "
        f"{each.difference.high:+.2f})"
        for each in worse
        if each.difference and each.recall is not None and each.champion_recall is not None
    ]
    sentence = (
        f"worse than the champion at {', '.join(told)}" if worse else "not shown to be worse at any class"
    )
    return Check(name="recalls", passed=not worse, sentence=sentence)
