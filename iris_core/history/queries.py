"""Questions to the ledger: which decisions, what was staged when, what became of a version. Only reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Any

from iris_core.errors import PromotionRefused
from iris_core.ledger.ledger import Identity, Kind, Ledger, Record
from iris_core.models.registry import REFUSED
from iris_core.promotion import ROLLED_BACK

LOOKED_BACK = 500
"""So many promotion records are read at most to tell what was staged."""
SCORINGS_READ = 200


@dataclass(frozen=True)
class Question:
    """Which decisions are asked for; what is None or empty does not restrict.

    :param since: from this time on.
    :param until: before this time.
    :param version: a model version: its training, promotions, scorings and drift verdicts.
    """

    kinds: tuple[Kind, ...] = ()
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    version: int | None = None


def matching(ledger: Ledger, question: Question) -> Iterator[Record]:
    """The decisions asked for, newest first; reads no further than is consumed."""
    found = ledger.recent(*question.kinds, outcome=question.outcome, before=question.until)
    since = question.since
    if since is not None:
        found = takewhile(lambda record: record.at >= since, found)
    if question.version is None:
        return found
    trainings = {record.inputs.get("training") for record in _promotions(ledger, question.version)}
    return (r for r in found if model_version(r) == question.version or r.identity.path in trainings)


def model_version(record: Record) -> int | None:
    """The model version that a promotion, scoring or drift verdict is about."""
    if record.kind == "promotion":
        version = record.inputs.get("version")
        return int(version) if version else None
    model = record.inputs.get("model")
    return int(model["version"]) if isinstance(model, dict) else None


def _promotions(ledger: Ledger, version: int) -> list[Record]:
    """Promotion records of a version, oldest first."""
    found = [r for r in ledger.recent("promotion") if model_version(r) == version]
    return found[::-1]


def staged_at(ledger: Ledger, moment: datetime) -> Record | None:
    """The decision by which a version was staged at a time, as decided; None when none was.

    What somebody moved by hand in MLflow is not in the ledger; a scoring names the version that it used.
    """
    return _standing(islice(ledger.recent("promotion", before=moment), LOOKED_BACK))


def _standing(newest_first: Iterable[Record]) -> Record | None:
    """Of the approved, the one of the newest data (`age`); what came before a rollback no longer counts."""
    best: Record | None = None
    for record in newest_first:
        if record.outcome == REFUSED:
            continue
        if best is None or age(record) > age(best):
            best = record
        if record.outcome == ROLLED_BACK:
            break
    return best


def age(record: Record) -> tuple[datetime, datetime]:
    """When the data of a promotion record's model landed, and when it was trained: the later, the newer.

    Of records that do not say it: when it was decided about.
    """
    landed, trained = (record.inputs.get(name) for name in ("landed_at", "trained_at"))
    known = datetime.fromisoformat(trained) if trained else record.at
    return datetime.fromisoformat(landed) if landed else known, known


def stagings(ledger: Ledger) -> list[Record]:
    """The decisions that changed what is staged, oldest first."""
    decisions = [*islice(ledger.recent("promotion"), LOOKED_BACK)][::-1]
    changes: list[Record] = []
    for record in decisions:
        if record.outcome == REFUSED:
            continue
        is_newer = not changes or age(record) > age(changes[-1])
        if record.outcome == ROLLED_BACK or is_newer:
            changes.append(record)
    return changes


def staged_before(ledger: Ledger, version: int) -> int:
    """The version that was staged before this one: where a rollback goes by default.

    :raises PromotionRefused: there was none.
    """
    versions = [int(record.inputs["version"]) for record in stagings(ledger)]
    last = len(versions) - 1 - versions[::-1].index(version) if version in versions else len(versions)
    for earlier in reversed(versions[:last]):
        if earlier != version:
            return earlier
    raise PromotionRefused(f"Nothing was staged before version {version}: name a version to go back to.")


@dataclass(frozen=True)
class Story:
    """Everything the ledger knows about one model version."""

    version: int
    model: str
    training: Record | None
    promotions: Sequence[Record]
    scorings: Sequence[Record]
    drifts: Sequence[Record]
    performances: Sequence[Record]
    staged_now: Record | None
    stagings: Sequence[Record] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        """The records."""
        return {
            "version": self.version,
            "model": self.model,
            "training": self.training.model_dump(mode="json") if self.training else None,
            "promotions": [record.model_dump(mode="json") for record in self.promotions],
            "scorings": [record.model_dump(mode="json") for record in self.scorings],
            "drifts": [record.model_dump(mode="json") for record in self.drifts],
            "performances": [record.model_dump(mode="json") for record in self.performances],
        }


def story(ledger: Ledger, version: int) -> Story:
    """What is known about a version: from the data that it was trained on to the drift of what it scored.

    The newest 200 scorings, drift verdicts and performance records are read.

    :raises PromotionRefused: nothing was ever decided about this version.
    """
    promotions = _promotions(ledger, version)
    if not promotions:
        raise PromotionRefused(f"The ledger has no decision about version {version}. See: iris ledger")
    first = promotions[0]
    path = first.inputs.get("training")
    variant = f"v{version}-{(first.inputs.get('run_id') or '')[:8]}"
    return Story(
        version=version,
        model=first.inputs["model"],
        training=ledger.get(Identity.parse(path)) if path else None,
        promotions=promotions,
        scorings=_with_variant(ledger, "scoring", variant, first.at),
        drifts=_with_variant(ledger, "drift", variant, first.at),
        performances=_on_labels(ledger, variant, first.at),
        staged_now=staged_at(ledger, datetime.now(UTC)),
        stagings=stagings(ledger),
    )


def _with_variant(ledger: Ledger, kind: Kind, variant: str, since: datetime) -> list[Record]:
    """Records of a version's scorings, or of their drift, newest first; the journal's names tell which."""
    first_day = since.astimezone(UTC).date().isoformat()
    entries = takewhile(lambda entry: entry[0][:10] >= first_day, ledger.journal(kind))
    mine = (
        identity
        for _, outcome, identity in entries
        if outcome not in ("superseded", "unchanged", "rejected")
        and (identity.variant == variant or identity.subject.endswith(f"-{variant}"))
    )
    distinct = dict.fromkeys(islice(mine, SCORINGS_READ))
    return [record for record in map(ledger.get, distinct) if record]


def _on_labels(ledger: Ledger, variant: str, since: datetime) -> list[Record]:
    """Performance records that speak of a version, newest first."""
    found = takewhile(lambda record: record.at >= since, ledger.recent("performance", outcome="measured"))
    return [r for r in islice(found, SCORINGS_READ) if variant in r.evidence["models"]]


def tally(records: Iterable[Record]) -> Counter[str]:
    """How often each outcome came about."""
    return Counter(record.outcome for record in records)
