"""Checks whether a decision is owed for too long: objects in the bucket minus records in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from iris_core.doctor.finding import Diagnosis, ill, well
from iris_core.ledger import Kind
from iris_core.ledger.owed import unaccounted
from iris_core.ledger.source import Source
from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectVersion

OWED_WITHIN = timedelta(hours=1)
"""Tasks are retried within minutes, and watchers announce an object again within an hour."""


def check_owed(workspace: Workspace, within: timedelta = OWED_WITHIN) -> Iterator[Diagnosis]:
    """Report uploads that have had no decision for longer than `within`. Read-only."""
    settings = workspace.settings
    places: tuple[tuple[Kind, str], ...] = (
        ("training", settings.train_key),
        ("scoring", settings.test_key),
        ("performance", settings.labels_prefix),
    )
    since = datetime.now(UTC) - within
    late: list[ObjectVersion] = []
    for kind, key in places:
        owed = unaccounted(workspace.store, workspace.ledger, kind, Source(settings.bucket, key))
        late += [version for version in owed if version.landed_at < since]
    if not late:
        yield well("owed", f"nothing is owed for longer than {_hours(within)}")
        return
    oldest = min(late, key=lambda version: version.landed_at)
    yield ill(
        "owed",
        f"{len(late)} uploads wait for longer than {_hours(within)}, the oldest is {oldest.uri} of "
        f"{oldest.landed_at:%Y-%m-%d %H:%M} UTC",
        "Look at the runs of its DAG; a model must be staged before anything is scored or joined.",
    )


def _hours(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return "an hour" if hours == 1 else f"{hours:g} hours"
