"""From a trained model to the one that is staged, and back: measure, judge, record, then make it so.

The ledger's promotion record is the decision; the registry's alias and stage are derived from it and are
repaired by the next run when a promotion died half-way. The alias is the authority, the stage its mirror.
"""

from iris_core.promotion.approval import answer, judge_or_ask
from iris_core.promotion.judgement import verdict_on
from iris_core.promotion.rivals import drawn
from iris_core.promotion.rollback import finish_rollback, rollback
from iris_core.promotion.staging import register, stage
from iris_core.promotion.steps import decision_on, promote, register_step, unfinished

__all__ = [
    "answer",
    "decision_on",
    "drawn",
    "finish_rollback",
    "judge_or_ask",
    "promote",
    "register",
    "register_step",
    "rollback",
    "stage",
    "unfinished",
    "verdict_on",
]
