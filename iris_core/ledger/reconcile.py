"""Records object versions that need no work, and finds those that do.

An event only wakes; this module decides. If the newest version has the same content as the version decided
just before it, it is recorded as unchanged; otherwise it is owed. Only once it is decided, every older
version without a decision is recorded as superseded: so a later upload never makes work void that is under
way, and a stream of uploads cannot starve itself. If the newest version was rejected or has failed, the one
before it counts: a bad upload does not keep a sound one from being used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import dropwhile
from typing import Literal

from iris_core.ledger.identity import Identity, Kind
from iris_core.ledger.owed import Decisions, Pending, Source
from iris_core.ledger.records.objects import ObjectRecord, SupersededRecord, UnchangedRecord, Using
from iris_core.ledger.workspace import Workspace
from iris_core.store.versions import ListedVersion, ObjectVersion

Rescore = Literal["newest", "all", "none"]


@dataclass(frozen=True)
class Scope:
    """Decisions of one kind about the objects of a source, made with one configuration or model."""

    kind: Kind
    source: Source
    using: Using


@dataclass(frozen=True)
class Reconciled:
    """Versions that are owed, oldest first, and versions that were recorded as superseded just now."""

    owed: list[Pending]
    superseded: list[Pending]


def reconcile(workspace: Workspace, scope: Scope, again: Rescore = "newest") -> Reconciled:
    """Record versions that are superseded or unchanged, and find those that are owed.

    :param scope: the decisions in question.
    :param again: which of the objects are owed again that have decisions with other variants only.
    :raises StoreError: the store does not answer.
    """
    decisions = Decisions(workspace.ledger, scope.kind)
    found = _Found()
    superseded: list[Pending] = []
    for _, versions in scope.source.by_key(workspace.store):
        if not _look(workspace, scope, decisions, versions, found):
            superseded += _record_superseded(workspace, scope, decisions, versions)
    owed = [*found.owed, *_again(found, decisions, again)]
    return Reconciled(sorted(owed, key=lambda item: item.object.landed_at), superseded)


@dataclass
class _Found:
    """Owed versions; versions with decisions of other variants only; when the last decided version landed."""

    owed: list[Pending] = field(default_factory=list)
    other: list[Pending] = field(default_factory=list)
    last_done: datetime | None = None


def _look(
    workspace: Workspace,
    scope: Scope,
    decisions: Decisions,
    versions: Sequence[ListedVersion],
    found: _Found,
) -> bool:
    """Find what is owed about one key; return True if the version that counts waits for its decision.

    Then older versions are not superseded yet.
    """
    for version, older in decisions.counting(versions):
        pending = decisions.pending(version, scope.using.variant, older)
        if pending and not _record_if_unchanged(workspace, scope, decisions, pending, older):
            if decisions.is_open(version, older):
                found.owed.append(pending)
                return True
            found.other.append(pending)
        elif not decisions.is_useless(version):
            found.last_done = max(found.last_done or version.landed_at, version.landed_at)
    return False


def supersede_older(workspace: Workspace, scope: Scope, version: ObjectVersion) -> list[Pending]:
    """Record the undecided versions before a newly decided one as superseded, and return them.

    :param scope: the decisions in question.
    :param version: the version that is decided now.
    """
    decisions = Decisions(workspace.ledger, scope.kind)
    listed = Source(scope.source.bucket, version.key).by_key(workspace.store)
    versions = next((versions for _, versions in listed), [])
    older = list(dropwhile(lambda item: item.object.digest != version.digest, versions))
    return list(_record_superseded(workspace, scope, decisions, older)) if older else []


def _record_superseded(
    workspace: Workspace, scope: Scope, decisions: Decisions, versions: Sequence[ListedVersion]
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
    workspace: Workspace,
    scope: Scope,
    decisions: Decisions,
    pending: Pending,
    older: Sequence[ListedVersion],
) -> bool:
    before = decisions.before(pending.object, scope.using.variant, older)
    if before is None or before.about.etag != pending.object.etag:
        return False
    record = UnchangedRecord(
        identity=pending.identity,
        by=workspace.actor,
        reason=f"the same content as {before.about.uri}",
        inputs=UnchangedRecord.Inputs.of(pending.object, scope.using),
        points_to=before.points_to or before.identity.path,
    )
    committed = workspace.ledger.commit(record)
    if isinstance(committed.record, ObjectRecord):
        decisions.add(committed.record)
    return True


def _again(found: _Found, decisions: Decisions, which: Rescore) -> Iterator[Pending]:
    """Versions to decide again that have decisions of other variants only: the newest, all, or none.

    `newest` yields a version only if nothing decided or owed landed later; if it is useless, the next one,
    too.
    """
    if which == "all":
        yield from found.other
    if which != "newest":
        return
    landed = [item.object.landed_at for item in found.owed] + ([found.last_done] if found.last_done else [])
    for item in sorted(found.other, key=lambda item: item.object.landed_at, reverse=True):
        if any(moment > item.object.landed_at for moment in landed):
            return
        yield item
        if not decisions.is_useless(item.object):
            return
