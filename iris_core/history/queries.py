"""Questions to the ledger: which decisions, what was staged when, the story of a version. Read-only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import chain, islice
from typing import Any

from iris_core.errors import PromotionRefused
from iris_core.ledger import KINDS, Identity, JournalEntry, Kind, Ledger, ModelRef, Outcome, Record
from iris_core.ledger.records.drift import DriftRecord
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.promotion import STAGING, PromotionRecord, RollbackRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord

LOOKED_BACK = 500
"""Most decisions that stage a model that are read to find what was staged."""
LOOKED_THROUGH = 50_000
"""Most names in a kind's journal that are searched for decisions that are asked for."""
DAY = timedelta(days=1)
CLOCKS = timedelta(minutes=2)
"""The store's clock and those of the tasks may differ by so much."""
MOST_READ = 200
"""Most scorings, drift verdicts and performance records of a version that its story reads."""


@dataclass(frozen=True)
class Question:
    """Which decisions are asked for; a field that is None or empty sets no limit.

    :param kinds: only decisions of these kinds.
    :param outcome: only decisions with this outcome.
    :param since: only decisions of this time and later ones.
    :param until: only decisions before this time.
    :param version: only decisions about this model version: its training, promotions, scorings and drift
        verdicts.
    """

    kinds: tuple[Kind, ...] = ()
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    version: int | None = None


def matching(ledger: Ledger, question: Question) -> Iterator[Record]:
    """The decisions asked for, newest first; reads only what the caller consumes.

    Those with an outcome, or about a version, are searched for among the newest `LOOKED_THROUGH` of each kind
    (before `until`): their names in the journal tell most of them apart without being read.
    """
    is_named = _about_version(ledger, question.version) if question.version else _any
    streams = (ledger.records(_entries(ledger, kind, question, is_named)) for kind in question.kinds or KINDS)
    return merge(*streams, key=lambda record: record.at, reverse=True)


IsNamed = Callable[[JournalEntry], bool]


def _any(_: JournalEntry) -> bool:
    return True


def _entries(ledger: Ledger, kind: Kind, question: Question, is_named: IsNamed) -> Iterator[JournalEntry]:
    entries = ledger.journal(kind, question.since, question.until)
    if question.outcome is None and question.version is None:
        return entries
    looked = islice(entries, LOOKED_THROUGH)
    return (each for each in looked if question.outcome in (None, each.outcome) and is_named(each))


def _about_version(ledger: Ledger, version: int) -> IsNamed:
    """Whether an entry is about a version: its training, promotions, scorings, drift, retrain requests."""
    promotions = _promotions(ledger, version)
    trainings = {record.inputs.training for record in promotions}
    asked = {record.identity for record in promotions}

    def is_named(entry: JournalEntry) -> bool:
        about = entry.identity
        is_request = entry.outcome in (Outcome.REQUESTED, Outcome.STOPPED)
        if about.kind in ("scoring", "drift") or is_request:
            return about.model_variant.startswith(f"v{version}-")
        return about.path in trainings or about in asked

    return is_named


def _names(record: Record, version: int) -> bool:
    return record.model is not None and record.model.version == version


def _promotions(ledger: Ledger, version: int) -> list[PromotionRecord]:
    """Promotion records of a version, oldest first; of one that is not noted all promotions are read."""
    found: Iterable[Record] = ledger.recent("promotion")
    if noted := [it for path in ledger.trainings_of(version) if (it := ledger.find(TrainedRecord, path))]:
        verdicts = (Identity.of_verdict(training.run_id, training.at) for training in noted)
        judged = [ledger.of_subject("promotion", one.day, one.subject) for one in verdicts]
        rollbacks = _entries(ledger, "promotion", Question(outcome=Outcome.ROLLED_BACK), _any)
        found = chain(*judged, islice(ledger.records(rollbacks), LOOKED_BACK))
    each = {record.identity: record for record in found if isinstance(record, PromotionRecord)}
    mine = (record for record in each.values() if _names(record, version))
    return sorted(mine, key=lambda record: record.at)


def staged_at(ledger: Ledger, moment: datetime) -> PromotionRecord | None:
    """The decision by which a version was staged at a time; None if none was.

    The ledger does not know of an alias that was moved by hand in MLflow; but a scoring names the version
    that it used.
    """
    return _standing(islice(ledger.recent_of(PromotionRecord, outcome=STAGING, before=moment), LOOKED_BACK))


def _standing(newest_first: Iterable[PromotionRecord]) -> PromotionRecord | None:
    """The decision that stages the model of the newest data (`age`), of those since the last rollback.

    A model's data lands before it is decided about: no decision from before that of the best is newer.
    """
    best: PromotionRecord | None = None
    for record in newest_first:
        if best and record.at + CLOCKS < best.age[0]:
            break
        if best is None or record.age > best.age:
            best = record
        if isinstance(record, RollbackRecord):
            break
    return best


def stagings(ledger: Ledger) -> Iterator[PromotionRecord]:
    """The decisions that changed what is staged, newest first; reads little more than is consumed."""
    found = staged_at(ledger, datetime.now(UTC))
    while found:
        yield found
        found = staged_at(ledger, found.at)


def staged_before(ledger: Ledger, version: int) -> int:
    """The version that was staged before this one, to which a rollback goes by default.

    If the newest `LOOKED_BACK` changes do not show this one, it is the version of the newest of them.

    :raises PromotionRefused: there was no such version.
    """
    versions: list[int] = []
    for record in islice(stagings(ledger), LOOKED_BACK):
        if version in versions and record.model.version != version:
            return record.model.version
        versions.append(record.model.version)
    if versions and version not in versions:
        return versions[0]
    raise PromotionRefused(f"Nothing was staged before version {version}: name a version to go back to.")


@dataclass(frozen=True)
class Story:
    """Everything the ledger knows about one model version."""

    model: ModelRef
    training: TrainedRecord | None
    promotions: Sequence[PromotionRecord]
    scorings: Sequence[ScoredRecord]
    drifts: Sequence[DriftRecord]
    performances: Sequence[MeasuredRecord]
    staged_now: PromotionRecord | None
    replaced_by: PromotionRecord | None
    """The decision by which another version took its place for the last time."""

    def as_json(self) -> dict[str, Any]:
        """The story's records as JSON-able content."""
        return {
            "version": self.model.version,
            "model": self.model.name,
            "training": self.training.model_dump(mode="json") if self.training else None,
            "promotions": [record.model_dump(mode="json") for record in self.promotions],
            "scorings": [record.model_dump(mode="json") for record in self.scorings],
            "drifts": [record.model_dump(mode="json") for record in self.drifts],
            "performances": [record.model_dump(mode="json") for record in self.performances],
        }


def story(ledger: Ledger, version: int) -> Story:
    """The story of a version, from its training data to the drift of the data that it scored.

    Reads the newest 200 scorings, drift verdicts and performance records. A new registry counts from 1 again:
    of several versions with this number it is the last one's.

    :raises PromotionRefused: the ledger has no decision about this version.
    """
    promotions = _promotions(ledger, version)
    if not promotions:
        raise PromotionRefused(f"The ledger has no decision about version {version}. See: iris ledger")
    promotions = [each for each in promotions if each.model.run_id == promotions[-1].model.run_id]
    first, replacing = promotions[0], _replacing(ledger, promotions)
    model = first.model
    times = (first.at, replacing.at if replacing else None)
    return Story(
        model=model,
        training=ledger.find(TrainedRecord, model.training),
        promotions=promotions,
        scorings=[r for r in _of_model(ledger, "scoring", model, *times) if isinstance(r, ScoredRecord)],
        drifts=[r for r in _of_model(ledger, "drift", model, *times) if isinstance(r, DriftRecord)],
        performances=_on_labels(ledger, model, first.at),
        staged_now=staged_at(ledger, datetime.now(UTC)),
        replaced_by=replacing,
    )


def _replacing(ledger: Ledger, promotions: Sequence[PromotionRecord]) -> PromotionRecord | None:
    """The decision by which another version took the place of this one for the last time; None if none has.

    :param ledger: where the decisions are.
    :param promotions: those about this version, oldest first.
    """
    mine = (record for record in reversed(promotions) if record.outcome in STAGING)
    last = next((it for it in mine if staged_at(ledger, it.at + timedelta.resolution) == it), None)
    if last is None:
        return None
    entries = islice(ledger.journal("promotion", since=last.at), LOOKED_THROUGH)
    later = [entry for entry in entries if entry.outcome in STAGING and entry.identity != last.identity]
    found = (it for it in ledger.records(reversed(later)) if isinstance(it, PromotionRecord))
    return next((it for it in found if isinstance(it, RollbackRecord) or it.age > last.age), None)


def _of_model(
    ledger: Ledger, kind: Kind, model: ModelRef, since: datetime, replaced: datetime | None
) -> Iterator[Record]:
    """Records of a version's scorings, or of their drift, newest first; the journal's names identify them.

    They are searched for among the newest `LOOKED_THROUGH` names, and among as many before the day after
    another version took this one's place.

    :param ledger: where the records are.
    :param kind: scorings, or their drift.
    :param model: the version.
    :param since: when it was first decided about.
    :param replaced: when another took its place.
    """
    unused = (Outcome.SUPERSEDED, Outcome.UNCHANGED, Outcome.REJECTED, Outcome.FAILED)
    walks = [ledger.journal(kind, since)]
    if replaced:
        walks.append(ledger.journal(kind, since, replaced + DAY))
    found: dict[Identity, None] = {}
    for entry in chain.from_iterable(islice(walk, LOOKED_THROUGH) for walk in walks):
        if entry.outcome not in unused and entry.identity.model_variant == model.variant:
            found[entry.identity] = None
        if len(found) == MOST_READ:
            break
    return (record for record in map(ledger.get, found) if record)


def _on_labels(ledger: Ledger, model: ModelRef, since: datetime) -> list[MeasuredRecord]:
    """Performance records that measure a version, newest first."""
    entries = _entries(ledger, "performance", Question(outcome=Outcome.MEASURED, since=since), _any)
    found = islice(ledger.records(entries), MOST_READ)
    records = (record for record in found if isinstance(record, MeasuredRecord))
    return [record for record in records if model.variant in record.evidence.models]


def tally(records: Iterable[Record]) -> Counter[str]:
    """The number of records with each outcome."""
    return Counter(record.outcome for record in records)
