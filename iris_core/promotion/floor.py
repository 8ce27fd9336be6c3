"""Compares answers with those of a model that sees no feature: on a holdout, and by cross-validation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from iris_core.drift.hypergeometric import at_least
from iris_core.drift.threads import one_thread
from iris_core.ledger.records.gate import Floor
from iris_core.models.holdout import Part
from iris_core.models.intervals import LEVEL
from iris_core.promotion.answers import Answers, blind_answers, certainty
from iris_core.promotion.scores import compared, pairs_of
from iris_core.settings.project import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.base import ClassifierMixin
    from sklearn.model_selection import StratifiedKFold

FLOOR_LIMIT = 0.05
LEARNABLE_LIMIT = 0.001
"""Stricter than for the holdout: there are many more rows, and this check catches labels that are noise."""
FOLDS = 5
LEARNABLE_ROWS = 10_000
"""Most rows that are cross-validated: more would cost more than the training and show nothing new."""


def floor_of(
    metric: Metric,
    answers: Answers,
    labels: NDArray[np.str_],
    learned: NDArray[np.str_],
    limit: float,
) -> Floor:
    """Compare answers with those of a model that sees no feature.

    :param metric: the declared one.
    :param answers: of the model, to some rows.
    :param labels: the true classes of these rows.
    :param learned: the labels that both models learned from.
    :param limit: the largest chance that counts as shown.
    """
    blind = blind_answers(learned, labels, metric)
    right, blind_right = answers.named == labels, blind.named == labels
    found = compared(metric, labels, answers, blind, LEVEL)
    in_metric = {} if metric == "accuracy" else {"score": found.first, "blind_score": found.second}
    return Floor(
        majority=str(blind.named[0]),
        accuracy=float(right.mean()),
        majority_accuracy=float(blind_right.mean()),
        pairs=pairs_of(right, blind_right),
        p_value=found.p_better,
        limit=limit,
        recognised_p_value=recognised_p_value(answers.named, labels),
        worse_p_value=found.p_worse,
        **in_metric,
    )


def recognised_p_value(named: NDArray[np.str_], labels: NDArray[np.str_]) -> float:
    """How likely chance alone names any one class so often on its own rows.

    Fisher's exact test of each class against the rest, one-sided; the smallest, by Bonferroni.
    """
    classes = np.unique(labels).tolist()
    found = [
        at_least(
            int(((named == name) & (labels == name)).sum()),
            int((labels == name).sum()),
            int((named == name).sum()),
            len(labels),
        )
        for name in classes
    ]
    return min(1.0, min(found) * len(classes))


def learnable_of(metric: Metric, part: Part, model: ClassifierMixin, seed: int) -> Floor | None:
    """Cross-validate the challenger's recipe on its training rows, and compare it with the majority class.

    :param metric: the declared one.
    :param part: the training rows.
    :param model: the challenger; clones of it are fitted.
    :param seed: seed of the folds.
    :returns: None if a class has too few rows to be left out of a fold.
    """
    part = bounded(part, seed)
    answers = cross_validated(model, part, seed, metric)
    labels = part.labels.to_numpy(str)
    return None if answers is None else floor_of(metric, answers, labels, labels, LEARNABLE_LIMIT)


def cross_validated(
    model: ClassifierMixin, part: Part, seed: int, metric: Metric = "accuracy"
) -> Answers | None:
    """Answers of clones of a model to rows that they did not learn from.

    :param model: clones of it are fitted.
    :param part: the rows.
    :param seed: seed of the folds.
    :param metric: log loss needs the certainty of each answer, too.
    :returns: None if the rows cannot be folded (`folds_of`).
    """
    labels = part.labels.to_numpy(str)
    folds = folds_of(labels, seed)
    if folds is None:
        return None
    if metric != "log_loss":
        return Answers(np.asarray(out_of_fold(model, part, folds, "predict"), str))
    names = np.unique(labels)
    chances = out_of_fold(model, part, folds, "predict_proba")
    return Answers(names[chances.argmax(1)], certainty(chances, names.tolist(), labels))


def out_of_fold(
    model: ClassifierMixin, part: Part, folds: StratifiedKFold, method: Literal["predict", "predict_proba"]
) -> NDArray[Any]:
    """Predictions of clones of a model for rows that they did not learn from. Shape (rows,) or (rows,
    classes).

    :param model: clones of it are fitted.
    :param part: the rows.
    :param folds: how the rows are left out (`folds_of`).
    :param method: classes, or the probability of each class in the classes' order.
    """
    from sklearn.base import clone
    from sklearn.model_selection import cross_val_predict

    labels, features = part.labels.to_numpy(str), part.features
    given: Any = features.to_numpy() if _needs_no_names(model) else features
    with one_thread():
        return np.asarray(cross_val_predict(clone(model), given, labels, cv=folds, method=method))


def _needs_no_names(model: ClassifierMixin) -> bool:
    """Whether a model knows its features by their place alone: a tree. Fitted to arrays it takes half the
    time."""
    from sklearn.tree import DecisionTreeClassifier

    return type(model) is DecisionTreeClassifier


def folds_of(labels: NDArray[np.str_], seed: int) -> StratifiedKFold | None:
    """Stratified folds; None if a class has a single row, or if there is only one class."""
    from sklearn.model_selection import StratifiedKFold

    counts = np.unique(labels, return_counts=True)[1]
    folds = min(FOLDS, int(counts.min()))
    if folds < 2 or len(counts) < 2:
        return None
    return StratifiedKFold(folds, shuffle=True, random_state=seed)


def bounded(part: Part, seed: int, most: int = LEARNABLE_ROWS) -> Part:
    """At most `most` rows of a part, drawn with a seed."""
    if len(part) <= most:
        return part
    chosen = np.random.default_rng(seed).choice(len(part), most, replace=False)
    return replace(part, features=part.features.iloc[chosen], labels=part.labels.iloc[chosen])
