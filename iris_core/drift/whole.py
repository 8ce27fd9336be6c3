"""Compares what no single feature shows: whole rows, predicted classes, answers, refused rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from iris_core.drift.change import Change
from iris_core.drift.joint import joint_change
from iris_core.drift.known import Known, Rejected
from iris_core.drift.mix import moved_share
from iris_core.drift.performance import Answered
from iris_core.drift.ranks import Numbers
from iris_core.drift.severity import ColumnEvidence, carried, term_evidence
from iris_core.drift.share import share_difference, share_increase
from iris_core.drift.spread import Compared, widened
from iris_core.drift.statistics import LARGEST
from iris_core.drift.thresholds import ALPHA, MINIMUM_ROWS, Term

PREDICTION = "prediction"
REJECTED = "rejected rows"
BETWEEN = " and "
ONE_CLASS = "all predictions are one class"
ONE_CLASS_CHANCE = 0.005
"""As of what counts towards an alert: more would add to the 1 % of reports that are medium by chance."""
SEED = 7


def joint_evidence(
    reference: pl.DataFrame, current: pl.DataFrame, features: Sequence[str], spread: float
) -> ColumnEvidence | None:
    """Compare how the features go together; the evidence names the two whose correlation changed most.

    :param reference: rows of the training data.
    :param current: rows of the batch.
    :param features: the columns of numbers.
    :param spread: what batches differ by (`spread`).
    """
    if len(features) < 2:
        return None
    old, new = _complete(reference, features), _complete(current, features)
    found = joint_change(old, new, ALPHA["joint"], SEED)
    if found is None:
        return None
    name = BETWEEN.join(features[place] for place in found.pair)
    return _evidence(
        name, "joint", widened(found.change, Compared(len(old), len(new)), spread, ALPHA["joint"])
    )


def mix_evidence(reference: pl.DataFrame, current: pl.DataFrame, spread: float) -> ColumnEvidence | None:
    """Compare the shares in which the classes are predicted.

    If all predictions are one class where there were several, that is at least medium, unless chance explains
    it: then the other classes are rare, and the batch is small.

    :param reference: rows of the training data.
    :param current: rows of the batch.
    :param spread: what batches differ by (`spread`).
    """
    if not all(PREDICTION in frame.columns for frame in (reference, current)):
        return None
    old, new = (_counts(frame[PREDICTION]) for frame in (reference, current))
    m, n = sum(old.values()), sum(new.values())
    if min(m, n) < MINIMUM_ROWS:
        return None
    change = widened(moved_share(old, new, ALPHA["mix"], SEED), Compared(m, n), spread, ALPHA["mix"])
    found = _evidence(PREDICTION, "mix", change)
    term = found.terms[0]
    if len(new) == 1 < len(old) and term.level in ("none", "low") and term.chance <= ONE_CLASS_CHANCE:
        return carried(PREDICTION, [term.model_copy(update={"level": "medium"})], ONE_CLASS)
    return found


def accuracy_evidence(current: pl.DataFrame, known: Known) -> ColumnEvidence | None:
    """Compare the accuracy on the batch's labelled rows with that on the holdout; only a loss is drift."""
    answered = answers(current, known.label)
    if known.holdout is None or min(answered.rows, known.holdout.rows) < MINIMUM_ROWS:
        return None
    m, n = known.holdout.rows, answered.rows
    lost = share_increase(m - known.holdout.right, m, n - answered.right, n, ALPHA["accuracy"])
    if lost.value <= 0:
        lost = Change(lost.value, lost.noise, 1.0)
    return _evidence(known.label, "accuracy", widened(lost, Compared(m, n), known.spread, ALPHA["accuracy"]))


def rejected_evidence(m: int, n: int, rejected: Rejected, spread: float) -> ColumnEvidence | None:
    """Compare the share of refused rows with none, as in the training data.

    :param m: rows of the reference.
    :param n: rows of the batch that were scored.
    :param rejected: the refused rows.
    :param spread: what batches differ by (`spread`).
    """
    total = n + rejected.rows
    if not rejected.rows or min(m, total) < MINIMUM_ROWS:
        return None
    change = share_difference(0, m, rejected.rows, total, ALPHA["rejected"])
    return _evidence(REJECTED, "rejected", widened(change, Compared(m, total), spread, ALPHA["rejected"]))


def answers(sample: pl.DataFrame, label: str) -> Answered:
    """How many rows with a prediction and a label are there, and how many of them are right."""
    if PREDICTION not in sample.columns or label not in sample.columns:
        return Answered(rows=0, right=0)
    known = sample.select(pl.col(PREDICTION, label).cast(pl.String)).drop_nulls()
    return Answered(rows=known.height, right=int((known[PREDICTION] == known[label]).sum()))


def _evidence(name: str, term: Term, change: Change) -> ColumnEvidence:
    return carried(name, [term_evidence(term, change)])


def _complete(frame: pl.DataFrame, features: Sequence[str]) -> Numbers:
    rows = np.column_stack([frame[name].cast(pl.Float64).to_numpy() for name in features])
    return np.asarray(rows[(np.abs(rows) <= LARGEST).all(axis=1)])


def _counts(column: pl.Series) -> dict[str, int]:
    counted = column.cast(pl.String).drop_nulls().value_counts()
    return dict(zip(*(counted.to_dict(as_series=False).values()), strict=True))
