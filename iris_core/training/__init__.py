"""Can this table be learnt from? Checks a training table, fits a model to it, and records both."""

from __future__ import annotations

from iris_core.training.fitting import TrainingConfig, fit, recipe
from iris_core.training.steps import (
    TrainingWork,
    reconcile_training,
    train,
    training_scope,
    training_source,
    validate,
)

__all__ = [
    "TrainingConfig",
    "TrainingWork",
    "fit",
    "recipe",
    "reconcile_training",
    "train",
    "training_scope",
    "training_source",
    "validate",
]
