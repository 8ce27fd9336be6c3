"""Questions to the ledger: which decisions, what was staged when, the story of a version. Read-only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Any

from iris_core.errors import PromotionRefused
from iris_core.ledger import Kind, Ledger, ModelRef, Outcome, Record
from iris_core.ledger.records.drift import DriftRecord
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.promotion import PromotionRecord, RollbackRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord

LOOKED_BACK = 500
"""Most promotion records that are read to find what was staged."""
SCORINGS_READ = 200


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
    """The decisions asked for, newest first; reads only what the caller consumes."""
    found = ledger.recent(*question.kinds, outcome=question.outcome, before=question.until)
    since = question.since
    if since is not None:
        found = takewhile(lambda record: record.at >= since, found)
    if question.version is None:
        return found
    trainings = {record.inputs.training for record in _promotions(ledger, question.version)}
    return (r for r in found if _names(r, question.version) or r.identity.path in trainings)


def _names(record: Record, version: int) -> bool:
    return record.model is not None and record.model.version == version


def _promotions(ledger: Ledger, version: int) -> list[PromotionRecord]:
    """Promotion records of a version, oldest first."""
    return [record for record in ledger.recent_of(PromotionRecord) if _names(record, version)][::-1]


def staged_at(ledger: Ledger, moment: datetime) -> PromotionRecord | None:
    """The decision by which a version was staged at a time; None if none was.

    The ledger does not know of an alias that was moved by hand in MLflow; but a scoring names the version
    that it used.
    """
    return _standing(islice(ledger.recent_of(PromotionRecord, before=moment), LOOKED_BACK))


def _standing(newest_first: Iterable[PromotionRecord]) -> PromotionRecord | None:
    """The decision that stages the model of the newest data (`age`), of those since the last rollback."""
    best: PromotionRecord | None = None
    for record in newest_first:
        if not record.stages:
            continue
        if best is None or record.age > best.age:
            best = record
        if isinstance(record, RollbackRecord):
            break
    return best


def stagings(ledger: Ledger) -> list[PromotionRecord]:
    """The decisions that changed what is staged, oldest first."""
    decisions = [*islice(ledger.recent_of(PromotionRecord), LOOKED_BACK)][::-1]
    changes: list[PromotionRecord] = []
    for record in decisions:
        if not record.stages:
            continue
        is_newer = not changes or record.age > changes[-1].age
        if isinstance(record, RollbackRecord) or is_newer:
            changes.append(record)
    return changes


def staged_before(ledger: Ledger, version: int) -> int:
    """The version that was staged before this one, to which a rollback goes by default.

    :raises PromotionRefused: there was no such version.
    """
    versions = [record.model.version for record in stagings(ledger)]
    last = len(versions) - 1 - versions[::-1].index(version) if version in versions else len(versions)
    for earlier in reversed(versions[:last]):
        if earlier != version:
            return earlier
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
    stagings: Sequence[PromotionRecord] = field(default_factory=tuple)

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

    Reads the newest 200 scorings, drift verdicts and performance records.

    :raises PromotionRefused: the ledger has no decision about this version.
    """
    promotions = _promotions(ledger, version)
    if not promotions:
        raise PromotionRefused(f"The ledger has no decision about version {version}. See: iris ledger")
    first = promotions[0]
    model = first.model
    return Story(
        model=model,
        training=ledger.find(TrainedRecord, model.training),
        promotions=promotions,
        scorings=[r for r in _of_model(ledger, "scoring", model, first.at) if isinstance(r, ScoredRecord)],
        drifts=[r for r in _of_model(ledger, "drift", model, first.at) if isinstance(r, DriftRecord)],
        performances=_on_labels(ledger, model, first.at),
        staged_now=staged_at(ledger, datetime.now(UTC)),
        stagings=stagings(ledger),
    )


def _of_model(ledger: Ledger, kind: Kind, model: ModelRef, since: datetime) -> Iterator[Record]:
    """Records of a version's scorings, or of their drift, newest first; the journal's names identify them."""
    unused = (Outcome.SUPERSEDED, Outcome.UNCHANGED, Outcome.REJECTED, Outcome.FAILED)
    mine = (
        entry.identity
        for entry in ledger.journal(kind, since=since)
        if entry.outcome not in unused and entry.identity.model_variant == model.variant
    )
    records = map(ledger.get, dict.fromkeys(islice(mine, SCORINGS_READ)))
    return (record for record in records if record)


def _on_labels(ledger: Ledger, model: ModelRef, since: datetime) -> list[MeasuredRecord]:
    """Performance records that measure a version, newest first."""
    recent = ledger.recent_of(MeasuredRecord, outcome=Outcome.MEASURED)
    found = islice(takewhile(lambda record: record.at >= since, recent), SCORINGS_READ)
    return [record for record in found if model.variant in record.evidence.models]


def tally(records: Iterable[Record]) -> Counter[str]:
    """The number of records with each outcome."""
    return Counter(record.outcome for record in records)
