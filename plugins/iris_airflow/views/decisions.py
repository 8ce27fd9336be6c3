"""A person's decisions on the page: the same functions that the command `iris` calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from iris_core.errors import PromotionRefused
from iris_core.ledger import Record
from iris_core.ledger.workspace import Workspace


@dataclass(frozen=True)
class Decision:
    """A decision that a person can take.

    :param verb: what the button says.
    :param question: what is asked before; `{target}` is what it is about.
    :param follows: what then happens.
    :param take: takes workspace, target and reason, and returns the record.
    """

    verb: str
    question: str
    follows: str
    take: Callable[[Workspace, str, str], Record]


def _version(target: str) -> int:
    if not target.isascii() or not target.isdigit():
        raise PromotionRefused(f"{target!r} is no version of a model: expected a number.")
    return int(target)


def _rolled_back(workspace: Workspace, target: str, reason: str) -> Record:
    from iris_core import promotion

    return promotion.rollback(workspace, _version(target), reason, datetime.now(UTC))


def _answered(workspace: Workspace, target: str, reason: str, *, approved: bool) -> Record:
    from iris_core import promotion
    from iris_core.ledger.records.gate import Approval

    given = Approval(approved=approved, by=workspace.actor.owner, at=datetime.now(UTC), reason=reason)
    return promotion.answer(workspace, _version(target), given)


def _approved(workspace: Workspace, target: str, reason: str) -> Record:
    return _answered(workspace, target, reason, approved=True)


def _refused(workspace: Workspace, target: str, reason: str) -> Record:
    return _answered(workspace, target, reason, approved=False)


def _reopened(workspace: Workspace, target: str, reason: str) -> Record:
    from iris_core.ledger.tries import reopen

    return reopen(workspace, target, reason)[0]


DECISIONS = {
    "rollback": Decision(
        "Roll back",
        "Stage version {target} again?",
        "Inference follows by itself. A model that is trained and approved later replaces it.",
        _rolled_back,
    ),
    "approve": Decision(
        "Approve",
        "Approve version {target}?",
        "It is staged, and inference starts by itself. If the champion or a limit has changed since it was "
        "asked about, the gate judges it again first.",
        _approved,
    ),
    "refuse": Decision(
        "Refuse",
        "Refuse version {target}?",
        "The staged model stays.",
        _refused,
    ),
    "retry": Decision(
        "Retry",
        "Retry {target}?",
        "What failed is owed again, and a watcher starts a run that works on it.",
        _reopened,
    ),
}
"""By their names in the routes."""
