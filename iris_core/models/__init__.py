"""Which models are there, and what does each say of rows? MLflow's runs and registry; safe loading."""

from iris_core.models.loading import Loaded, loaded
from iris_core.models.registry import (
    ALIAS,
    APPLIED_TAG,
    STAGE,
    VERDICT_TAG,
    find,
    reference,
    staged,
)

__all__ = [
    "ALIAS",
    "APPLIED_TAG",
    "STAGE",
    "VERDICT_TAG",
    "Loaded",
    "find",
    "loaded",
    "reference",
    "staged",
]
