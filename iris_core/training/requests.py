"""Retrainings that drift asked for, as the ledger holds them: what training owes because of one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from iris_core.ledger.ledger import Identity, Record
from iris_core.ledger.reconcile import Source, identity_of
from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectStore, ObjectVersion

REQUESTED = "requested"
STOPPED = "stopped"
VARIANT = "retrain"
HORIZON = timedelta(days=30)
"""Older requests are forgotten: one that was not served by then never will be."""


def identity_for(verdict: Record) -> Identity:
    """The identity of what is decided about retraining because of a verdict."""
    return Identity("action", verdict.day, verdict.subject, VARIANT)


def requests(workspace: Workspace) -> Iterator[Record]:
    """Retrainings that were asked for, newest first."""
    since = f"{datetime.now(UTC) - HORIZON:%Y-%m-%d/%H%M%S}"
    for moment, outcome, identity in workspace.ledger.journal("action"):
        if moment < since:
            return
        if outcome == REQUESTED:
            record = workspace.ledger.get(identity)
            if record and record.outcome == REQUESTED and record.variant == VARIANT:
                yield record


def newest(store: ObjectStore, source: Source) -> ObjectVersion | None:
    """The newest version of what is at a source, unless it was deleted."""
    current = [versions[0] for _, versions in source.by_key(store) if versions[0].is_current]
    return max((item.object for item in current), key=lambda it: it.landed_at, default=None)


def training_of(request: Record, variant: str) -> Identity:
    """The identity of the training that a request asks for, with a training configuration's variant."""
    digest = hashlib.sha256(request.identity.path.encode()).hexdigest()[:12]
    return identity_of("training", request.object(), f"{variant}+{VARIANT}-{digest}")


def owed(workspace: Workspace, source: Source, variant: str) -> tuple[ObjectVersion, Identity] | None:
    """The training that the newest request asks for, unless it was done or newer data took its place."""
    request = next(requests(workspace), None)
    if request is None or request.object() != newest(workspace.store, source):
        return None
    identity = training_of(request, variant)
    return None if workspace.ledger.get(identity) else (request.object(), identity)
