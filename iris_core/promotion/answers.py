"""Asks models about rows: what they answer, and how sure they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iris_core.settings.project import CostMatrix, Metric

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.base import ClassifierMixin

    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Texts = NDArray[np.str_]

LEAST_PROBABILITY = 1e-15


@dataclass(frozen=True)
class Answers:
    """A model's answers to some rows.

    :param named: the predicted class of each row.
    :param certainty: the predicted probability of each row's label; None if the metric does not need it.
    """

    named: Texts
    certainty: Floats | None = None

    def kept(self, rows: Flags) -> Answers:
        """The answers to the chosen rows."""
        return Answers(self.named[rows], None if self.certainty is None else self.certainty[rows])


def answers_of(
    model: ClassifierMixin, features: pd.DataFrame, labels: Sequence[str] | Texts, metric: Metric
) -> Answers:
    """Ask a model about rows.

    :param model: the fitted model.
    :param features: of the rows.
    :param labels: the true classes; log loss needs the probability of each.
    :param metric: the declared one.
    :raises AttributeError: log loss is declared, and the model gives no probabilities.
    """
    truth = np.asarray(labels, str)
    if not len(truth):
        return Answers(np.empty(0, str), np.empty(0))
    named = np.asarray(model.predict(features), str)
    if metric != "log_loss":
        return Answers(named)
    return Answers(named, certainty(model.predict_proba(features), model.classes_, truth))


def certainty(probabilities: Floats, classes: Iterable[str], labels: Texts) -> Floats:
    """The predicted probability of each row's label; `LEAST_PROBABILITY` for a class that the model lacks.

    :param probabilities: shape (rows, classes).
    :param classes: the names of the columns.
    :param labels: the true classes.
    """
    column = {str(name): number for number, name in enumerate(classes)}
    places = np.array([column.get(label, -1) for label in labels.tolist()])
    found = probabilities[np.arange(len(labels)), places]
    return np.clip(np.where(places < 0, 0.0, found), LEAST_PROBABILITY, 1.0)


def blind_answers(learned: Texts, labels: Texts, metric: Metric) -> Answers:
    """The answers of a model that sees no feature: the majority class, or under a cost matrix the cheapest
    one.

    :param learned: the labels that it learned from.
    :param labels: the true classes of the rows that it answers.
    :param metric: the declared one.
    """
    names, counts = np.unique(learned, return_counts=True)
    best = counts.astype(float)
    if isinstance(metric, CostMatrix):
        best = -np.array(
            [sum(n * cost_of(metric, c, a) for c, n in zip(names, counts, strict=True)) for a in names]
        )
    named = np.full(len(labels), names[best.argmax()])
    shares = np.broadcast_to(counts / counts.sum(), (len(labels), len(names)))
    return Answers(named, certainty(shares, names, labels))


def cost_of(metric: CostMatrix, label: str, answer: str) -> float:
    """What an answer costs."""
    return metric.cost.get(label, {}).get(answer, 0.0 if label == answer else 1.0)
