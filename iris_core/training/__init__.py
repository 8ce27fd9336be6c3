"""Can this table be learned from, and what comes of it? From a training table to a model that is recorded."""

from __future__ import annotations

from iris_core.training.flow import (
    TrainingConfig,
    Work,
    configuration,
    fit,
    reap,
    recipe,
    reconcile,
    scope,
    source,
    train,
    validate,
)

__all__ = [
    "TrainingConfig",
    "Work",
    "configuration",
    "fit",
    "reap",
    "recipe",
    "reconcile",
    "scope",
    "source",
    "train",
    "validate",
]
