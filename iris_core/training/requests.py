"""Retrainings that drift requested, by the ledger, and the training that is owed because of one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from iris_core.ledger import Identity, Ledger, Outcome, Record
from iris_core.ledger.owed import Pending
from iris_core.ledger.reconcile import Scope
from iris_core.ledger.records.action import RetrainRecord
from iris_core.ledger.workspace import Workspace

HORIZON = timedelta(days=30)
"""Older requests are ignored."""
LOOKED_THROUGH = 20_000
"""So many names of alerts and requests are looked through."""


def requested_retrainings(ledger: Ledger) -> Iterator[RetrainRecord]:
    """Records of requested retrainings, newest first."""
    entries = ledger.journal("action", since=datetime.now(UTC) - HORIZON)
    for entry in islice(entries, LOOKED_THROUGH):
        if entry.outcome == Outcome.REQUESTED:
            record = ledger.find(RetrainRecord, entry.identity)
            if record and record.outcome == Outcome.REQUESTED:
                yield record


def owed_retraining(workspace: Workspace, trainings: Scope) -> Pending | None:
    """The training that the newest request wants; None if it is done, or newer data has landed since."""
    request = next(requested_retrainings(workspace.ledger), None)
    if request is None:
        return None
    identity = Identity.of_requested(request.identity, request.about, trainings.using.variant)
    records = workspace.ledger.of_subject("training", identity.day, identity.subject)
    if any(_answers(record, request) for record in records):
        return None
    is_newest = request.about == trainings.source.newest(workspace.store)
    return Pending(request.about, identity) if is_newest else None


def _answers(training: Record, request: RetrainRecord) -> bool:
    """Whether a training is the requested one, or was made since with another configuration."""
    requested = Identity.of_requested(request.identity, request.about, training.variant.base)
    return training.identity == requested or (
        training.outcome == Outcome.TRAINED and training.at > request.at
    )
