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
from typing import Literal, NamedTuple

from iris_core.ledger.identity import Identity, Kind, Variant
from iris_core.ledger.look import EVERYTHING, Look
from iris_core.ledger.newest import last_landed
from iris_core.ledger.owed import Decisions, Pending
from iris_core.ledger.records.objects import ObjectRecord, SupersededRecord, UnchangedRecord, Using
from iris_core.ledger.source import Source
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


def reconcile(
    workspace: Workspace, scope: Scope, again: Rescore = "newest", look: Look = EVERYTHING
) -> Reconciled:
    """Record versions that are superseded or unchanged, and find those that are owed.

    :param scope: the decisions in question.
    :param again: which of the objects are owed again that have decisions with other variants only.
    :param look: what to look at.
    :raises StoreError: the store does not answer.
    """
    if look.named is None or (look.is_model_new and again == "all"):
        return _reconcile_all(workspace, scope, again)
    decisions = Decisions.of_few(workspace.ledger, scope.kind, look.named, scope.using.variant)
    search = _Search(workspace, scope, decisions, again)
    for key in look.keys(scope.source):
        search.look_at(key)
    if again == "newest" and (search.found.other or look.is_model_new) and not search.find_newest():
        rest = _reconcile_all(workspace, scope, again)
        return Reconciled(rest.owed, [*search.superseded, *rest.superseded])
    return search.result()


def _reconcile_all(workspace: Workspace, scope: Scope, again: Rescore) -> Reconciled:
    decisions = Decisions.of_all(workspace.ledger, scope.kind, scope.using.variant)
    search = _Search(workspace, scope, decisions, again)
    for _, versions in scope.source.by_key(workspace.store):
        if decided := search.decisions.settled(versions):
            search.add_settled(versions, decided)
        else:
            search.add(versions)
    return search.result()


class _Other(NamedTuple):
    """A version with decisions of other variants only, and the versions before it."""

    pending: Pending
    older: Sequence[ListedVersion]

    @property
    def object(self) -> ObjectVersion:
        return self.pending.object


@dataclass
class _Found:
    """Owed versions; versions with decisions of other variants only; when the last decided version landed."""

    owed: list[Pending] = field(default_factory=list)
    other: list[_Other] = field(default_factory=list)
    last_done: datetime | None = None

    def is_last(self, landed: datetime) -> bool:
        """Whether no decided version is known that landed as late."""
        return self.last_done is None or landed > self.last_done

    def done(self, landed: datetime) -> None:
        """Note when a decided version landed."""
        self.last_done = max(self.last_done or landed, landed)

    def latest(self, decisions: Decisions) -> datetime | None:
        """When the last usable version landed that was found so far."""
        usable = (item.object for item in self.other if not decisions.is_useless(item.object))
        landed = [version.landed_at for version in (*(item.object for item in self.owed), *usable)]
        return max(landed + ([self.last_done] if self.last_done else []), default=None)


@dataclass
class _Search:
    """A search for owed decisions, key by key."""

    workspace: Workspace
    scope: Scope
    decisions: Decisions
    again: Rescore
    found: _Found = field(default_factory=_Found)
    superseded: list[Pending] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    mine: dict[tuple[Variant, ...], bool] = field(default_factory=dict)
    last_settled: ListedVersion | None = None
    """The newest version that landed last, of those that are settled for the scope's variant."""
    last_other: Sequence[ListedVersion] = ()
    """The versions of the key whose newest version landed last, of those that are settled for other variants
    only; what landed before is not owed again, if the newest is."""

    def add(self, versions: Sequence[ListedVersion]) -> None:
        """Look at the versions of one key."""
        if not self._is_waiting(versions):
            self.superseded += _record_superseded(self.workspace, self.scope, self.decisions, versions)

    def add_settled(self, versions: Sequence[ListedVersion], decided: tuple[Variant, ...]) -> None:
        """Note the versions of one key about which nothing is open (`Decisions.settled`).

        :param versions: the versions, newest first.
        :param decided: the variants decided for the newest one.
        """
        newest = versions[0]
        if not newest.is_current:
            return
        if self._is_mine(decided):
            if self.last_settled is None or newest.second > self.last_settled.second:
                self.last_settled = newest
        elif self.again == "all":
            self._add_other(versions)
        elif not self.last_other or newest.second > self.last_other[0].second:
            self.last_other = versions

    def _is_mine(self, decided: tuple[Variant, ...]) -> bool:
        """Whether the scope's variant is among those decided; remembers it, as there are few such tuples."""
        if decided not in self.mine:
            self.mine[decided] = any(each.base == self.scope.using.variant for each in decided)
        return self.mine[decided]

    def _add_other(self, versions: Sequence[ListedVersion]) -> None:
        version = versions[0].object
        identity = Identity.of_object(self.scope.kind, version, self.scope.using.variant)
        self.found.other.append(_Other(Pending(version, identity), versions[1:]))

    def _is_waiting(self, versions: Sequence[ListedVersion]) -> bool:
        """Find what is owed about one key; return True if the version that counts waits for its decision.

        Then older versions are not superseded yet.
        """
        workspace, scope, decisions, found = self.workspace, self.scope, self.decisions, self.found
        for version, older in decisions.counting(versions):
            pending = decisions.pending(version, scope.using.variant, older)
            if pending and not decisions.is_open(version, older):
                found.other.append(_Other(pending, older))
            elif pending and not _record_if_unchanged(workspace, scope, decisions, pending, older):
                found.owed.append(pending)
                return True
            elif found.is_last(version.landed_at) and not decisions.is_useless(version):
                found.done(version.landed_at)
        return False

    def look_at(self, key: str) -> None:
        """Look at a key, once."""
        if key not in self.seen:
            self.seen.add(key)
            if versions := self.scope.source.versions_of(self.workspace.store, key):
                self.add(versions)

    def find_newest(self) -> bool:
        """Look at keys by the newest decisions, until no other decided version can have landed later.

        :returns: False if the newest decisions do not show it.
        """
        for version in last_landed(self.workspace.ledger, self.scope.kind):
            if version is None:
                return False
            latest = self.found.latest(self.decisions)
            if latest and latest > version.landed_at:
                return True
            if self.scope.source.matches(version.key, version.size):
                self.look_at(version.key)
        return True

    def result(self) -> Reconciled:
        if self.last_settled:
            self.found.done(self.last_settled.landed_at)
        if self.last_other:
            self._add_other(self.last_other)
        again_owed = (
            other.pending
            for other in list(_again(self.found, self.decisions, self.again))
            if not _record_if_unchanged(
                self.workspace, self.scope, self.decisions, other.pending, other.older
            )
        )
        owed = [*self.found.owed, *again_owed]
        return Reconciled(sorted(owed, key=lambda item: item.object.landed_at), self.superseded)


def supersede_older(workspace: Workspace, scope: Scope, version: ObjectVersion) -> list[Pending]:
    """Record the undecided versions before a newly decided one as superseded, and return them.

    :param scope: the decisions in question.
    :param version: the version that is decided now.
    """
    decisions = Decisions.of_few(workspace.ledger, scope.kind)
    versions = scope.source.versions_of(workspace.store, version.key)
    older = list(dropwhile(lambda item: item.object.digest != version.digest, versions))
    return list(_record_superseded(workspace, scope, decisions, older)) if older else []


def _record_superseded(
    workspace: Workspace, scope: Scope, decisions: Decisions, versions: Sequence[ListedVersion]
) -> Iterator[Pending]:
    hidden = not versions[0].is_current and not decisions.variants(versions[0].object)
    by = "deleted" if hidden else f"superseded by {versions[0].object.uri}"
    for item in decisions.undecided(versions if hidden else versions[1:]):
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


def _again(found: _Found, decisions: Decisions, which: Rescore) -> Iterator[_Other]:
    """Versions to decide again that have decisions of other variants only: the newest, all, or none.

    `newest` yields a version only if nothing decided or owed landed later; if it is useless, the next one,
    too.
    """
    if which == "all":
        yield from found.other
    if which != "newest":
        return
    landed = [item.object.landed_at for item in found.owed] + ([found.last_done] if found.last_done else [])
    by_key = sorted(found.other, key=lambda item: item.object.key)
    for item in sorted(by_key, key=lambda item: item.object.landed_at, reverse=True):
        if any(moment > item.object.landed_at for moment in landed):
            return
        yield item
        if not decisions.is_useless(item.object):
            return
