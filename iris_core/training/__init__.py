"""Can this table be learned from, and what comes of it? From a training table to a model that is recorded."""

from __future__ import annotations

from iris_core.training.flow import (
    REJECTED,
    TRAINED,
    TrainingConfig,
    Work,
    configuration,
    fit,
    reap,
    recipe,
    reconcile,
    source,
    train,
    validate,
)

__all__ = [
    "REJECTED",
    "TRAINED",
    "TrainingConfig",
    "Work",
    "configuration",
    "fit",
    "reap",
    "recipe",
    "reconcile",
    "source",
    "train",
    "validate",
]
