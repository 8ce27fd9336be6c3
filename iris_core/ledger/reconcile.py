"""Records what needs no work, and finds what does.

An event only wakes; this module decides. A newest version whose content equals that of the version decided
just before it is recorded as unchanged; otherwise it is owed. Once it is decided, every older version that
nobody decided about is recorded as superseded, and not before: work that is under way is never made void by
an upload that comes after it, so a stream of uploads cannot starve itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile
from typing import Literal

from iris_core.ledger.identity import Identity, Kind
from iris_core.ledger.owed import Decisions, Pending, Source
from iris_core.ledger.records.objects import SupersededRecord, UnchangedRecord, Using
from iris_core.ledger.workspace import Workspace
from iris_core.store.versions import ListedVersion, ObjectVersion

Rescore = Literal["newest", "all", "none"]


@dataclass(frozen=True)
class Scope:
    """Decisions of one kind about what lands at a source, made with one configuration or model."""

    kind: Kind
    source: Source
    using: Using


@dataclass(frozen=True)
class Reconciled:
    """What is owed, oldest first, and what was superseded just now."""

    owed: list[Pending]
    superseded: list[Pending]


def reconcile(workspace: Workspace, scope: Scope, again: Rescore = "newest") -> Reconciled:
    """Record what is superseded or unchanged, and find what is owed.

    :param again: which objects are owed again that were decided about with another variant only.
    :raises StoreError: the store does not answer.
    """
    decisions = Decisions(workspace.ledger, scope.kind)
    owed: list[Pending] = []
    other: list[Pending] = []
    last_done: datetime | None = None
    superseded: list[Pending] = []
    for _, versions in scope.source.by_key(workspace.store):
        newest = versions[0]
        pending = decisions.pending(newest.object, scope.using.variant) if newest.is_current else None
        if pending and not _record_if_unchanged(workspace, scope, decisions, versions, pending):
            decided = decisions.stands(newest.object)
            (other if decided else owed).append(pending)
            if not decided:
                continue
        elif newest.is_current:
            last_done = max(last_done or newest.object.landed_at, newest.object.landed_at)
        superseded += _record_superseded(workspace, scope, decisions, versions)
    owed = sorted([*owed, *_again(owed, other, last_done, again)], key=lambda item: item.object.landed_at)
    return Reconciled(owed, superseded)


def supersede_older(workspace: Workspace, scope: Scope, version: ObjectVersion) -> list[Pending]:
    """Record the undecided versions before one that is decided now as superseded, and return them."""
    decisions = Decisions(workspace.ledger, scope.kind)
    listed = Source(scope.source.bucket, version.key).by_key(workspace.store)
    versions = next((versions for _, versions in listed), [])
    older = list(dropwhile(lambda item: item.object.digest != version.digest, versions))
    return list(_record_superseded(workspace, scope, decisions, older)) if older else []


def _record_superseded(
    workspace: Workspace, scope: Scope, decisions: Decisions, versions: list[ListedVersion]
) -> Iterator[Pending]:
    hidden = not versions[0].is_current and not decisions.variants(versions[0].object)
    by = "deleted" if hidden else f"superseded by {versions[0].object.uri}"
    for item in versions if hidden else versions[1:]:
        if decisions.variants(item.object):
            continue
        identity = Identity.of_object(scope.kind, item.object, scope.using.variant)
        record = SupersededRecord(
            identity=identity,
            by=workspace.actor,
            reason=f"{by} before it was used",
            inputs=SupersededRecord.Inputs.of(item.object, scope.using),
        )
        if workspace.ledger.commit(record).won:
            yield Pending(item.object, identity)


def _record_if_unchanged(
    workspace: Workspace, scope: Scope, decisions: Decisions, versions: list[ListedVersion], pending: Pending
) -> bool:
    before = decisions.before(pending, versions[1:])
    if before is None or before.about.etag != pending.object.etag:
        return False
    record = UnchangedRecord(
        identity=pending.identity,
        by=workspace.actor,
        reason=f"the same content as {before.about.uri}",
        inputs=UnchangedRecord.Inputs.of(pending.object, scope.using),
        points_to=before.points_to or before.identity.path,
    )
    workspace.ledger.commit(record)
    return True


def _again(
    owed: list[Pending], other: list[Pending], last_done: datetime | None, which: Rescore
) -> list[Pending]:
    """Of what was decided with another variant only: the newest object if none is newer, all, or none.

    :param last_done: when the newest object landed that is decided with this variant.
    """
    if which != "newest":
        return other if which == "all" else []
    if not other:
        return []
    newest = max(other, key=lambda item: item.object.landed_at)
    landed = [item.object.landed_at for item in owed] + ([last_done] if last_done else [])
    return [] if any(moment > newest.object.landed_at for moment in landed) else [newest]
