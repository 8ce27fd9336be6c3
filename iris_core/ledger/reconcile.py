"""What is owed: objects in the bucket minus records in the ledger.

An event only wakes; this module decides. Of every key the newest version counts, unless a delete marker
hides it. A newest version whose content equals that of the version decided just before it is recorded as
unchanged; otherwise it is owed. Once it is decided, every older version that nobody decided about is recorded
as superseded, and not before: work that is under way is never made void by an upload that comes after it, so
a stream of uploads cannot starve itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from itertools import dropwhile, groupby, islice
from typing import Any, Literal

from iris_core.ledger.ledger import SUPERSEDED, UNCHANGED, Identity, Kind, Ledger, Record
from iris_core.ledger.workspace import Workspace
from iris_core.store.markers import is_marker
from iris_core.store.objects import ListedVersion, ObjectStore, ObjectVersion

Rescore = Literal["newest", "all", "none"]

REMEMBERED = 200
"""As many of the newest decisions are looked through for the last one about an unversioned key."""


@dataclass(frozen=True)
class Pending:
    """An object version that a decision is owed about, and the identity to commit it under."""

    object: ObjectVersion
    identity: Identity


@dataclass(frozen=True)
class Source:
    """Where objects land: one key, or every key below a prefix ending in `/`."""

    bucket: str
    key: str

    def matches(self, key: str, size: int | None = None) -> bool:
        """Whether an object of this name belongs here; below a prefix, markers and hidden files never do."""
        if self.key.endswith("/"):
            return key.startswith(self.key) and not is_marker(key.removeprefix(self.key), size)
        return key == self.key

    def by_key(self, store: ObjectStore) -> Iterator[tuple[str, list[ListedVersion]]]:
        """Each key with its versions, newest first; one key's versions are held at a time."""
        versions = store.versions(self.bucket, self.key)
        listed = (item for item in versions if self.matches(item.object.key, item.object.size))
        for key, versions in groupby(listed, key=lambda item: item.object.key):
            yield key, list(versions)


@dataclass
class Decisions:
    """The ledger's decisions of one kind, asked as objects come up.

    Nearly all questions are answered from listings, one a day and one of the journal: a hundred thousand
    decided objects cost no read each. What is committed meanwhile is seen by the next look.
    """

    ledger: Ledger
    kind: Kind
    _days: dict[date, dict[str, tuple[str, ...]]] = field(default_factory=dict)

    def variants(self, version: ObjectVersion) -> tuple[str, ...]:
        """What was decided with about a version; empty when nothing was decided."""
        day = version.landed_at.date()
        if day not in self._days:
            self._days[day] = self.ledger.decided_on(self.kind, day)
        return self._days[day].get(version.digest, ())

    def about(self, version: ObjectVersion) -> list[Record]:
        """Decisions about a version, oldest first: read only where there are any."""
        if not self.variants(version):
            return []
        return self.ledger.of_subject(self.kind, version.landed_at.date(), version.digest)

    def maybe_superseded(self, version: ObjectVersion) -> bool:
        """Whether a decision about a version may be `superseded`; those about any other stand."""
        return version.digest in self._superseded

    @cached_property
    def _superseded(self) -> set[str]:
        return self.ledger.maybe_superseded(self.kind)

    def stands(self, version: ObjectVersion) -> bool:
        """Whether the last decision about a version, with whatever, is another one than `superseded`."""
        if not self.variants(version):
            return False
        return not self.maybe_superseded(version) or self.about(version)[-1].outcome != SUPERSEDED


def identity_of(kind: Kind, version: ObjectVersion, variant: str) -> Identity:
    """The identity of a decision about an object version, made with `variant`."""
    return Identity(kind, version.landed_at.date(), version.digest, variant)


def unaccounted(store: ObjectStore, ledger: Ledger, kind: Kind, source: Source) -> Iterator[ObjectVersion]:
    """Versions that nothing was decided about yet, with whatever configuration. Only reads."""
    decisions = Decisions(ledger, kind)
    for _, versions in source.by_key(store):
        for item in versions:
            if not decisions.variants(item.object) or _returned(item, decisions):
                yield item.object


def _returned(item: ListedVersion, decisions: Decisions) -> bool:
    if not item.is_current or not decisions.maybe_superseded(item.object):
        return False
    return all(record.outcome == SUPERSEDED for record in decisions.about(item.object))


@dataclass(frozen=True)
class Reconciled:
    """What is owed, oldest first, and what was superseded just now."""

    owed: list[Pending]
    superseded: list[Pending]


def reconcile(
    workspace: Workspace,
    kind: Kind,
    source: Source,
    variant: str,
    inputs: Mapping[str, Any],
    again: Rescore = "newest",
) -> Reconciled:
    """Record what is superseded or unchanged, and find what is owed.

    :param variant: what is decided with: a configuration's or a model's short identity.
    :param inputs: goes into the records beside the object.
    :param again: which objects are owed again that were decided about with another variant only.
    :raises StoreError: the store does not answer.
    """
    decisions = Decisions(workspace.ledger, kind)
    owed: list[Pending] = []
    other: list[Pending] = []
    last_done: datetime | None = None
    superseded: list[Pending] = []
    for _, versions in source.by_key(workspace.store):
        newest = versions[0]
        pending = _pending(decisions, newest.object, variant) if newest.is_current else None
        if pending and not _unchanged(workspace, decisions, versions, pending, inputs):
            decided = decisions.stands(newest.object)
            (other if decided else owed).append(pending)
            if not decided:
                continue
        elif newest.is_current:
            last_done = max(last_done or newest.object.landed_at, newest.object.landed_at)
        superseded += _supersede(workspace, decisions, versions, variant, inputs)
    owed = sorted([*owed, *_again(owed, other, last_done, again)], key=lambda item: item.object.landed_at)
    return Reconciled(owed, superseded)


def supersede_older(
    workspace: Workspace,
    kind: Kind,
    source: Source,
    version: ObjectVersion,
    variant: str,
    inputs: Mapping[str, Any],
) -> list[Pending]:
    """Record the undecided versions before one that is decided now as superseded, and return them."""
    decisions = Decisions(workspace.ledger, kind)
    listed = Source(source.bucket, version.key).by_key(workspace.store)
    versions = next((versions for _, versions in listed), [])
    older = list(dropwhile(lambda item: item.object.digest != version.digest, versions))
    return list(_supersede(workspace, decisions, older, variant, inputs)) if older else []


def _supersede(
    workspace: Workspace,
    decisions: Decisions,
    versions: list[ListedVersion],
    variant: str,
    inputs: Mapping[str, Any],
) -> Iterator[Pending]:
    hidden = not versions[0].is_current and not decisions.variants(versions[0].object)
    by = "deleted" if hidden else f"superseded by {versions[0].object.uri}"
    for item in versions if hidden else versions[1:]:
        if decisions.variants(item.object):
            continue
        identity = identity_of(decisions.kind, item.object, variant)
        committed = workspace.ledger.commit(
            identity,
            SUPERSEDED,
            workspace.actor,
            reason=f"{by} before it was used",
            inputs={"object": item.object.model_dump(mode="json"), **inputs},
        )
        if committed.won:
            yield Pending(item.object, identity)


def _pending(decisions: Decisions, version: ObjectVersion, variant: str) -> Pending | None:
    """Owed unless decided with this variant; a superseded version that is current again is owed anew."""
    if not any(_is(variant, decided) for decided in decisions.variants(version)):
        return Pending(version, identity_of(decisions.kind, version, variant))
    if not decisions.maybe_superseded(version):
        return None
    mine = [record for record in decisions.about(version) if _is(variant, record.variant)]
    if mine[-1].outcome != SUPERSEDED:
        return None
    return Pending(version, identity_of(decisions.kind, version, f"{variant}+{len(mine)}"))


def _is(variant: str, decided: str) -> bool:
    """Whether a decision was made with a variant; a second one about the same version is `variant+1`."""
    return decided.split("+")[0] == variant


def _unchanged(
    workspace: Workspace,
    decisions: Decisions,
    versions: list[ListedVersion],
    pending: Pending,
    inputs: Mapping[str, Any],
) -> bool:
    variant = pending.identity.variant.split("+")[0]
    if pending.object.version_id is None:
        before = _recorded_before(decisions, pending.object.key, variant)
    else:
        before = _decided_before(decisions, versions[1:], variant)
    if before is None or before.object().etag != pending.object.etag:
        return False
    pointer = before.points_to or before.identity.path
    workspace.ledger.commit(
        pending.identity,
        UNCHANGED,
        workspace.actor,
        reason=f"the same content as {before.object().uri}",
        inputs={"object": pending.object.model_dump(mode="json"), **inputs},
        points_to=pointer,
    )
    return True


def _decided_before(decisions: Decisions, older: Iterable[ListedVersion], variant: str) -> Record | None:
    """The last decision made with this variant about a version before; superseded ones decide nothing."""
    for item in older:
        records = [r for r in decisions.about(item.object) if r.outcome != SUPERSEDED]
        if records:
            mine = [record for record in records if _is(variant, record.variant)]
            return mine[-1] if mine else None
    return None


def _recorded_before(decisions: Decisions, key: str, variant: str) -> Record | None:
    """The same where the bucket keeps no older versions: then only the ledger remembers them."""
    for record in islice(decisions.ledger.recent(decisions.kind), REMEMBERED):
        if record.outcome != SUPERSEDED and record.object().key == key:
            return record if _is(variant, record.variant) else None
    return None


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
