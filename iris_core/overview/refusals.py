"""Tables that were refused, and objects that were given up, each with its sentence."""

from __future__ import annotations

from collections.abc import Iterable

from iris_core.ledger import KINDS, Identity, Outcome
from iris_core.ledger.records.objects import FailedRecord, RejectedRecord
from iris_core.overview.recent import SHOWN, Recent
from iris_core.overview.trace import Shown, Trace


class Refusal(Shown):
    """A refused table, or an object that was given up; `trace.reason` says why and what to do.

    `is_open` means that a human may retry it: it failed, and nobody has reopened it. `kept` is the address of
    the quarantined copy or of the rejected rows, empty where there is none.
    """

    trace: Trace
    is_open: bool
    kept: str


def refusals(recent: Recent) -> list[Refusal]:
    """The newest refusals and failures among the newest decisions, newest first."""
    wanted = {Outcome.REJECTED, Outcome.FAILED}
    entries = [entry for kind in KINDS for entry in recent.entries(kind, wanted)]
    newest = sorted(entries, key=lambda entry: entry.at, reverse=True)
    last = {
        _about(entry.identity): entry.identity
        for kind in KINDS
        for entry in reversed(recent.entries(kind, {Outcome.FAILED, Outcome.REOPENED}))
    }
    found: list[Refusal] = []
    for record in recent.read(newest, SHOWN):
        if isinstance(record, RejectedRecord):
            rejects = record.outputs.rejects
            kept = record.outputs.quarantine or (rejects.uri if rejects else "")
            found.append(Refusal(trace=Trace.of(record), is_open=False, kept=kept))
        elif isinstance(record, FailedRecord):
            is_open = last[_about(record.identity)] == record.identity
            found.append(Refusal(trace=Trace.of(record), is_open=is_open, kept=""))
    return found


def _about(identity: Identity) -> tuple[str, str, str]:
    return identity.kind, identity.subject, identity.variant.base


def is_replaced(refusal: Refusal, used: Iterable[Trace]) -> bool:
    """Whether a later table of the same key was used, or the same one after all.

    :param refusal: the refused table, or the object that was given up.
    :param used: the decisions that used a table.
    """
    refused = refusal.trace
    return any(
        one.kind == refused.kind and _key(one) == _key(refused) and one.landing > refused.landing
        for one in used
    )


def _key(trace: Trace) -> str:
    return trace.object.partition("?")[0]
