"""Which models are there, and what is known of each? MLflow's runs and registry; loads models safely."""

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
