"""Scores answers in the declared metric, and compares two models on the same rows.

A score is a share from 0 to 1, higher is better, so threshold and margin mean the same for every metric. The
score of log loss is e to the minus log loss: the geometric mean of the probability of the right class. The
score of a cost matrix is the part of the highest cost that is saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iris_core.drift.change import Change
from iris_core.ledger.records.gate import Interval, Pairs
from iris_core.models.intervals import quantile, wilson_interval
from iris_core.promotion.answers import Answers, cost_of
from iris_core.promotion.paired import exact_p_value, score_interval
from iris_core.settings.project import CostMatrix, Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Texts = NDArray[np.str_]

DRAWS = 4_000
DRAWN_AT_ONCE = 100
MOST_CELLS = 10_000
"""Most rows that differ in label and answers; of more a sample is taken, so an interval costs seconds at
most."""
SEED = 11
HALF_A_ROW = 0.5
"""Half a row more of each kind lets an interval hold its level even if no answers differ: Agresti and Min,
Statistics in Medicine 24 (2005) 729."""


@dataclass(frozen=True)
class Paired:
    """Two models on the same rows: their scores, the interval of first minus second, and one-sided
    chances."""

    first: float
    second: float
    difference: Interval
    p_better: float
    p_worse: float


def score_of(metric: Metric, labels: Texts, answers: Answers) -> float:
    """The score of answers, in [0, 1]."""
    rows = _Rows(metric, labels, (answers,), np.ones(len(labels)))
    return float(rows.scores(0, np.ones((1, len(labels))))[0])


def score_and_interval(
    metric: Metric, labels: Texts, answers: Answers, level: float
) -> tuple[float, Interval]:
    """A score with its confidence interval."""
    found = score_of(metric, labels, answers)
    if metric == "accuracy":
        return found, wilson_interval(int((answers.named == labels).sum()), len(labels), level)
    drawn = _drawn(_cells(metric, labels, (answers,)))[0]
    return found, _between(drawn, level, found)


def compared(metric: Metric, labels: Texts, first: Answers, second: Answers, level: float) -> Paired:
    """Compare two models on the same rows.

    Accuracy: Tango's score interval and the exact McNemar test. Other metrics: a seeded Bayesian bootstrap of
    the paired rows (Rubin, Annals of Statistics 9 (1981) 130); each class has half a row more of both right,
    either right, and both wrong.

    :param metric: the declared one.
    :param labels: the true classes.
    :param first: the answers of one model.
    :param second: those of the model that it is compared with.
    :param level: two-sided, of the interval.
    """
    both = score_of(metric, labels, first), score_of(metric, labels, second)
    if metric == "accuracy":
        pairs = pairs_of(first.named == labels, second.named == labels)
        turned = Pairs(rows=pairs.rows, better=pairs.worse, worse=pairs.better)
        return Paired(*both, score_interval(pairs, level), exact_p_value(pairs), exact_p_value(turned))
    ours, theirs = _drawn(_cells(metric, labels, (first, second)))
    gain = ours - theirs
    return Paired(*both, _between(gain, level, both[0] - both[1]), _chance(gain <= 0), _chance(gain >= 0))


Agreement = Mapping[str, Mapping[str, int]]
"""Rows by label, then by answer."""


@dataclass(frozen=True)
class ScoreLoss:
    """A score before and now, and the loss between them with its chance."""

    before: float
    now: float
    change: Change


def score_loss(metric: Metric, before: Agreement, now: Agreement, alpha: float) -> ScoreLoss:
    """Compute how much a model's score fell; one-sided, by a Bayesian bootstrap of either table.

    :param metric: the declared one; not log loss, since an answer alone has no probability.
    :param before: the model's answers to its holdout.
    :param now: its answers to other rows.
    :param alpha: the level of the noise.
    """
    rows = [_of_agreement(metric, agreement) for agreement in (before, now)]
    was, is_now = (float(each.scores(0, each.counts[None])[0]) for each in rows)
    drawn = [_drawn(each.smoothed(), SEED + number)[0] for number, each in enumerate(rows)]
    loss = drawn[0] - drawn[1]
    noise = was - is_now - float(np.quantile(loss, alpha))
    return ScoreLoss(was, is_now, Change(was - is_now, max(0.0, noise), _chance(loss <= 0)))


def certainty_loss(
    before: tuple[float, Interval], logarithms: tuple[float, float], alpha: float
) -> ScoreLoss:
    """Compute how much a model's score fell under log loss; one-sided, by the standard errors of both scores.

    :param before: the score on the holdout, and its interval.
    :param logarithms: of the predicted probabilities of other rows' labels: mean, and its standard error.
    :param alpha: the level of the noise.
    """
    from scipy import special

    was, interval = before
    is_now = float(np.exp(logarithms[0]))
    own = (interval.high - interval.low) / 2 / quantile(interval.level)
    error = float(np.hypot(own, is_now * logarithms[1]))
    chance = float(special.ndtr((is_now - was) / error)) if error else float(is_now >= was)
    noise = -float(special.ndtri(alpha)) * error
    return ScoreLoss(was, is_now, Change(was - is_now, noise, chance))


def _of_agreement(metric: Metric, agreement: Agreement) -> _Rows:
    counted = [(label, named, n) for label, row in agreement.items() for named, n in row.items() if n]
    labels, named, counts = (np.array(column) for column in zip(*counted, strict=True))
    return _Rows(metric, labels, (Answers(named),), counts.astype(float))


def pairs_of(first: Flags, second: Flags) -> Pairs:
    """Count the rows on which only one of two models is right."""
    return Pairs(rows=len(first), better=int((first & ~second).sum()), worse=int((second & ~first).sum()))


def _between(drawn: Floats, level: float, found: float) -> Interval:
    """The interval of the draws, and of what was found.

    Half a row more of each kind moves the draws away from it where classes have few rows.
    """
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=min(float(low), found), high=max(float(high), found), level=level)


def _chance(against: Flags) -> float:
    return float((against.sum() + 1) / (len(against) + 1))


@dataclass(frozen=True)
class _Rows:
    """Kinds of rows, equal in label and answers, and the number of rows of each kind."""

    metric: Metric
    labels: Texts
    answers: tuple[Answers, ...]
    counts: Floats

    def smoothed(self) -> _Rows:
        """The same with half a row more of every kind of right and wrong in each class."""
        columns = [self.labels, *(each.named for each in self.answers)]
        kinds = _half_rows(np.unique(columns), np.unique(self.labels), len(self.answers))
        more = np.array([*kinds]).T
        cells = np.concatenate([np.array(columns), more], axis=1)
        counts = np.concatenate([self.counts, np.full(more.shape[1], HALF_A_ROW)])
        return _Rows(self.metric, cells[0], tuple(Answers(row) for row in cells[1:]), counts)

    def scores(self, model: int, weights: Floats) -> Floats:
        """A model's score for each row of weights. Shape (draws,)."""
        answers = self.answers[model]
        right = answers.named == self.labels
        if self.metric == "accuracy":
            return np.asarray(weights[:, right].sum(1) / weights.sum(1))
        if self.metric == "log_loss":
            assert answers.certainty is not None
            return np.asarray(np.exp(weights @ np.log(answers.certainty) / weights.sum(1)))
        if isinstance(self.metric, CostMatrix):
            return self._saved(self.metric, answers.named, weights)
        found = [self._of_class(name, answers.named, weights) for name in np.unique(self.labels)]
        return np.asarray(np.mean(found, axis=0))

    def _of_class(self, name: str, named: Texts, weights: Floats) -> Floats:
        """The recall of a class for balanced accuracy, else its F1."""
        actual, answered = weights[:, self.labels == name].sum(1), weights[:, named == name].sum(1)
        right = weights[:, (self.labels == name) & (named == name)].sum(1)
        whole = actual if self.metric == "balanced_accuracy" else (actual + answered) / 2
        return np.asarray(right / whole)

    def _saved(self, metric: CostMatrix, named: Texts, weights: Floats) -> Floats:
        costs = np.array([cost_of(metric, str(c), str(a)) for c, a in zip(self.labels, named, strict=True)])
        highest = max([1.0, *(value for row in metric.cost.values() for value in row.values())])
        return np.asarray(1 - weights @ costs / weights.sum(1) / highest)


def _cells(metric: Metric, labels: Texts, answers: tuple[Answers, ...]) -> _Rows:
    """Count equal rows, or take a sample under log loss, which has no equal rows."""
    if metric == "log_loss":
        return _sampled(_Rows(metric, labels, answers, np.ones(len(labels))))
    columns = [labels, *(each.named for each in answers)]
    found, counts = np.unique(np.array(columns), axis=1, return_counts=True)
    cells = _Rows(metric, found[0], tuple(Answers(row) for row in found[1:]), counts.astype(float))
    return _sampled(cells.smoothed())


def _half_rows(names: Texts, labels: Texts, models: int) -> Iterator[list[str]]:
    """For each class a row of every kind of right and wrong answers."""
    for label in labels.tolist():
        other = next((name for name in names.tolist() if name != label), label)
        for kind in range(2**models):
            yield [label, *(other if kind >> place & 1 else label for place in range(models))]


def _sampled(rows: _Rows) -> _Rows:
    if len(rows.labels) <= MOST_CELLS:
        return rows
    share = rows.counts / rows.counts.sum()
    chosen = np.random.default_rng(SEED).choice(len(share), MOST_CELLS, p=share)
    kept = tuple(
        Answers(e.named[chosen], None if e.certainty is None else e.certainty[chosen]) for e in rows.answers
    )
    return _Rows(rows.metric, rows.labels[chosen], kept, np.ones(MOST_CELLS))


def _drawn(rows: _Rows, seed: int = SEED) -> list[Floats]:
    """Draw each model's score under the same random weights."""
    rng = np.random.default_rng(seed)
    found: list[list[Floats]] = [[] for _ in rows.answers]
    for _ in range(DRAWS // DRAWN_AT_ONCE):
        weights = rng.standard_gamma(rows.counts, (DRAWN_AT_ONCE, len(rows.counts)))
        for model, drawn in enumerate(found):
            drawn.append(rows.scores(model, weights))
    return [np.concatenate(drawn) for drawn in found]
