"""What is owed right now, by a bounded look: never more than two pages of a listing for each kind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Literal

from iris_core.errors import KeyUnreadable, ObjectMissing
from iris_core.ledger import Identity, Kind, Outcome
from iris_core.ledger.records.objects import ObjectRecord
from iris_core.ledger.source import Source
from iris_core.ledger.workspace import Workspace
from iris_core.overview.recent import Recent
from iris_core.overview.trace import Shown
from iris_core.store.objects import ObjectVersion

PAGE = 200
"""So many versions are listed at once."""
NAMED = 10
"""Most objects that are named for each kind of decision."""

Owing = Literal["training", "scoring", "performance", "drift"]


class OwedObject(Shown):
    """An object without a decision of a kind; for drift, the record of a scoring without a verdict."""

    kind: Owing
    what: str
    since: datetime


class OwedNow(Shown):
    """What is owed. `counts` has the number found for each kind, `oldest` names the oldest of each.

    `is_complete` says whether everything was looked at. If not, objects of more than a page, or landed before
    the newest decisions that are looked at, may be owed, too: the daily run and `iris doctor` find them.
    """

    counts: dict[Owing, int]
    oldest: tuple[OwedObject, ...]
    is_complete: bool


def owed_now(workspace: Workspace, recent: Recent) -> OwedNow:
    """What is owed, as far as a bounded look shows it."""
    settings = workspace.settings
    places: tuple[tuple[Owing, Kind, str], ...] = (
        ("training", "training", settings.train_key),
        ("scoring", "scoring", settings.test_key),
        ("performance", "performance", settings.labels_prefix),
    )
    found: list[OwedObject] = []
    is_complete = True
    for name, kind, key in places:
        source = Source(settings.bucket, key)
        look = _below if key.endswith("/") else _alone
        versions, is_all = look(workspace, recent, kind, source)
        is_complete &= is_all
        found += [OwedObject(kind=name, what=one.uri, since=one.landed_at) for one in versions]
    found += _unreported(recent)
    counts: dict[Owing, int] = {}
    for one in found:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    by_age = sorted(found, key=lambda one: one.since)
    named = [one for kind in counts for one in islice((it for it in by_age if it.kind == kind), NAMED)]
    return OwedNow(counts=counts, oldest=tuple(named), is_complete=is_complete)


Looked = tuple[list[ObjectVersion], bool]
"""Versions that are owed, and whether everything was looked at."""


def _alone(workspace: Workspace, recent: Recent, kind: Kind, source: Source) -> Looked:
    """Look at a source of one key."""
    try:
        version = workspace.store.head(source.bucket, source.key)
    except (ObjectMissing, KeyUnreadable):
        return [], True
    state = _states(recent, kind).get(version.digest)
    if state is None:
        day = version.landed_at.date().isoformat()
        is_decided = bool(workspace.ledger.variants_of(kind, day, version.digest))
    else:
        is_decided = state != Outcome.REOPENED
    return ([] if is_decided else [version]), True


def _below(workspace: Workspace, recent: Recent, kind: Kind, source: Source) -> Looked:
    """Look at the first page of a prefix, and at the one after the key that was decided last.

    What landed since the oldest decision that is looked at, and is not among them, has no decision.
    """
    states, entries = _states(recent, kind), recent.entries(kind)
    first = list(islice(workspace.store.versions(source.bucket, source.key, "", PAGE), PAGE))
    listed, is_all = first, len(first) < PAGE
    if not is_all and (newest := _newest_key(recent, kind)):
        after = islice(workspace.store.versions(source.bucket, source.key, newest, PAGE), PAGE)
        listed = [*first, *after]
    since = None if recent.is_all(kind) else entries[-1].at
    owed = {
        item.object.digest: item.object
        for item in listed
        if item.is_current
        and source.matches(item.object.key, item.object.size)
        and states.get(item.object.digest, Outcome.REOPENED) == Outcome.REOPENED
        and (since is None or item.object.landed_at >= since or item.object.digest in states)
    }
    return list(owed.values()), is_all and since is None


def _states(recent: Recent, kind: Kind) -> dict[str, str]:
    """The newest outcome about each subject."""
    return {entry.identity.subject: entry.outcome for entry in reversed(recent.entries(kind))}


def _newest_key(recent: Recent, kind: Kind) -> str:
    for record in recent.read(recent.entries(kind), 1):
        if isinstance(record, ObjectRecord):
            return record.about.key
    return ""


def _unreported(recent: Recent) -> Iterator[OwedObject]:
    """Scorings without a drift verdict, among those since the oldest verdict that is looked at."""
    verdicts = recent.entries("drift")
    judged = {(entry.identity.day, entry.identity.subject) for entry in verdicts}
    for entry in recent.entries("scoring", {Outcome.SCORED}):
        verdict = Identity.of_drift(entry.identity, entry.at)
        is_known = recent.is_all("drift") or entry.at >= verdicts[-1].at
        if is_known and (verdict.day, verdict.subject) not in judged:
            yield OwedObject(kind="drift", what=entry.identity.path, since=entry.at)
