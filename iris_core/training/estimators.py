"""The classifier that project.json names: made, checked before it is trained, its parameters searched for."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from inspect import signature
from itertools import product
from typing import TYPE_CHECKING, Any

from iris_core.errors import ConfigError
from iris_core.ledger.records.training import Try
from iris_core.models.holdout import Part
from iris_core.models.loading import is_own_type, untrusted_types
from iris_core.promotion.floor import bounded, cross_validated
from iris_core.promotion.scores import score_of
from iris_core.settings.project import Metric, ModelChoice, TableSchema, metric_label
from iris_core.training.preparation import preparation

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin
    from sklearn.pipeline import Pipeline

log = logging.getLogger(__name__)

UNSCALED = ("sklearn.tree.", "sklearn.ensemble.", "lightgbm.")
"""Trees compare a feature with a limit: scaling changes nothing."""
LIGHTGBM = "lightgbm.LGBMClassifier"
TRIAL_ROWS, MADE_UP_LEVELS = 10, ("a", "b")
"""Of the made-up table that an estimator is tried on: rows of each class, levels that are not listed."""


def pipeline_of(
    choice: ModelChoice, table: TableSchema, seed: int, tried: Mapping[str, Any] | None = None
) -> Pipeline:
    """The pipeline that project.json asks for, not fitted yet.

    :param choice: project.json's `model`.
    :param table: names the features and their kinds.
    :param seed: the estimator's `random_state`, unless its parameters name one.
    :param tried: values of the searched parameters.
    :raises ConfigError: there is no such classifier, or it has no such parameter.
    """
    from sklearn.pipeline import make_pipeline

    estimator = _estimator(choice, seed, {**choice.parameters, **(tried or {})})
    return make_pipeline(*preparation(table, not choice.estimator.startswith(UNSCALED)), estimator)


def _estimator(choice: ModelChoice, seed: int, parameters: dict[str, Any]) -> ClassifierMixin:
    kind = _kind(choice)
    if choice.class_weights is not None:
        parameters["class_weight"] = choice.class_weights
    try:
        named = signature(kind).parameters
        known = {name for name, one in named.items() if one.kind is not one.VAR_KEYWORD}
        takes_others = len(known) < len(named)  # as LightGBM's do
        if (unknown := sorted({*parameters} - known)) and not takes_others:
            raise TypeError(f"it has no {', '.join(unknown)}, but {', '.join(sorted(known))}")
        if "random_state" in known:
            parameters.setdefault("random_state", seed)
        estimator: ClassifierMixin = kind(**parameters)
    except TypeError as error:
        raise _refused(choice, str(error)) from error
    return estimator


def _kind(choice: ModelChoice) -> Any:
    from sklearn.base import ClassifierMixin

    module, _, name = choice.estimator.rpartition(".")
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise _refused(choice, f"{error}. Is its package installed?") from error
    if not isinstance(kind, type) or not issubclass(kind, ClassifierMixin):
        raise _refused(choice, "it is no classifier")
    return kind


def _refused(choice: ModelChoice, why: str) -> ConfigError:
    return ConfigError(f"project.json: model: {choice.estimator} cannot be trained: {why}.")


def check_model(choice: ModelChoice, table: TableSchema, seed: int) -> None:
    """Fit the classifier to a few made-up rows, and refuse it if it cannot be stored so that it loads safely.

    :param choice: project.json's `model`.
    :param table: names features and classes.
    :param seed: seed of the rows and of the estimator.
    :raises ConfigError: it cannot be made, fitted or stored; the message says why, and names those that can.
    """
    table = table.with_levels(dict.fromkeys(table.unlisted, MADE_UP_LEVELS))
    part = _made_up(table, seed)
    try:
        _check_on(part, choice, table, seed)
    except ConfigError as error:
        raise ConfigError(f"{error} Those that can: {', '.join(_possible(part, table, seed))}.") from error


def _check_on(part: Part, choice: ModelChoice, table: TableSchema, seed: int) -> None:
    first = dict(zip(choice.search, (values[0] for values in choice.search.values()), strict=True))
    pipeline = pipeline_of(choice, table, seed, first)
    if "n_estimators" in pipeline[-1].get_params():
        pipeline[-1].set_params(n_estimators=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pipeline.fit(part.features, part.labels)
            strange = untrusted_types(pipeline)
        except Exception as error:
            raise _refused(choice, f"{type(error).__name__}: {str(error)[:300]}") from error
    if foreign := [name for name in strange if not is_own_type(name)]:
        raise _refused(choice, f"it holds types that cannot be stored safely: {', '.join(foreign)}")


def _possible(part: Part, table: TableSchema, seed: int) -> Iterator[str]:
    """The classifiers that can be trained with their own parameters, of those that are installed."""
    from sklearn.utils import all_estimators

    names = (f"{kind.__module__.split('._')[0]}.{kind.__name__}" for _, kind in all_estimators("classifier"))
    for name in (*names, LIGHTGBM):
        with suppress(ConfigError):
            _check_on(part, ModelChoice(estimator=name), table, seed)
            yield name


def _made_up(table: TableSchema, seed: int) -> Part:
    import numpy as np
    import pandas as pd

    draw, rows = np.random.default_rng(seed), TRIAL_ROWS * len(table.classes)
    columns = {
        each.name: draw.integers(0, len(each.codes), rows).astype(float)
        if each.codes
        else draw.uniform(each.min, each.max, rows)
        for each in table.features
    }
    return Part(pd.DataFrame(columns), pd.Series(np.resize(table.classes, rows), name=table.target))


def search(choice: ModelChoice, table: TableSchema, part: Part, metric: Metric, seed: int) -> tuple[Try, ...]:
    """Cross-validate every combination of the searched parameters, in the declared metric; the best first.

    :param choice: project.json's `model`.
    :param table: names the features and their kinds.
    :param part: the training rows; a bounded number of them is used.
    :param metric: the declared one.
    :param seed: seed of the folds, the rows and the estimator.
    """
    some = bounded(part, seed)
    labels, name = some.labels.to_numpy(str), metric_label(metric)
    combinations = [
        dict(zip(choice.search, values, strict=True)) for values in product(*choice.search.values())
    ]
    tries = []
    for number, tried in enumerate(combinations, 1):
        answers = cross_validated(pipeline_of(choice, table, seed, tried), some, seed, metric)
        score = score_of(metric, labels, answers) if answers else 0.0
        log.info("Try %d of %d, %s: %s %.4f", number, len(combinations), tried, name, score)
        tries.append(Try(parameters=tried, score=score))
    return tuple(sorted(tries, key=lambda each: -each.score))
