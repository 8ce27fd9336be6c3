"""Retrainings that drift requested, by the ledger, and the training that is owed because of one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from iris_core.ledger import Identity, Ledger, Outcome, Record
from iris_core.ledger.owed import Pending
from iris_core.ledger.reconcile import Scope
from iris_core.ledger.recorded import records_about
from iris_core.ledger.records.action import RetrainRecord
from iris_core.ledger.records.objects import ObjectRecord, UnchangedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.store.versions import ObjectVersion

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
    newest = trainings.source.newest(workspace.store)
    last = last_training(workspace.ledger, newest) if newest else None
    is_newest = request.about == newest or (last is not None and request.about == last.about)
    return Pending(request.about, identity) if is_newest else None


def last_training(ledger: Ledger, data: ObjectVersion) -> ObjectRecord | None:
    """The last decision about training data; where it came again unchanged, that about the data before."""
    records = records_about(ledger, "training", data)
    last = records[-1] if records else None
    if isinstance(last, UnchangedRecord) and last.points_to:
        return ledger.find(ObjectRecord, last.points_to) or last
    return last


def _answers(training: Record, request: RetrainRecord) -> bool:
    """Whether a training is the requested one, or was made since with another configuration."""
    requested = Identity.of_requested(request.identity, request.about, training.variant.base)
    return training.identity == requested or (
        training.outcome == Outcome.TRAINED and training.at > request.at
    )
