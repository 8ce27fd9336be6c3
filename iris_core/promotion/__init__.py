"""From a trained model to the one that is staged, and back: measure, judge, record, then make it so.

The ledger's promotion record is the decision; the registry's alias and stage are derived from it and are
repaired by the next run when a promotion died half-way. The alias is the authority, the stage its mirror.
"""

from iris_core.models.loading import loaded
from iris_core.models.registry import (
    ALIAS,
    APPLIED_TAG,
    PROMOTED,
    REFUSED,
    STAGE,
    TRAINED_AT_TAG,
    TRAINING_TAG,
    VERDICT_AT_TAG,
    VERDICT_TAG,
    ModelRef,
    staged,
)
from iris_core.promotion.judgement import Approval, decide, drawn, identity_of
from iris_core.promotion.rollback import ROLLED_BACK, rollback
from iris_core.promotion.staging import register, stage
from iris_core.promotion.steps import APPROVE, REJECT, assess_step, promote, register_step, unfinished

__all__ = [
    "ALIAS",
    "APPLIED_TAG",
    "APPROVE",
    "PROMOTED",
    "REFUSED",
    "REJECT",
    "ROLLED_BACK",
    "STAGE",
    "TRAINED_AT_TAG",
    "TRAINING_TAG",
    "VERDICT_AT_TAG",
    "VERDICT_TAG",
    "Approval",
    "ModelRef",
    "assess_step",
    "decide",
    "drawn",
    "identity_of",
    "loaded",
    "promote",
    "register",
    "register_step",
    "rollback",
    "stage",
    "staged",
    "unfinished",
]
