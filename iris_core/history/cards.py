"""A version's model card as it is now: the one of its promotion, with the drift since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from iris_core.drift.thresholds import SEVERITIES
from iris_core.errors import PromotionRefused
from iris_core.ledger import Identity, Ledger, ModelRef
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.models.card import CardDrift, ModelCard, card_of
from iris_core.settings.project import Project

LOOKED_THROUGH = 5_000
"""Most names of drift verdicts, the newest, that are searched for those on a version."""


def current_card(ledger: Ledger, project: Project, version: int) -> ModelCard:
    """The model card of a version, with the verdicts on what it scored until now. Read-only.

    Reads three records, and the names of at most `LOOKED_THROUGH` drift verdicts.

    :param ledger: where the decisions are.
    :param project: what people say of the model.
    :param version: the version.
    :raises PromotionRefused: nothing was decided about this version yet.
    """
    decided = list(_decided(ledger, version))
    if not decided:
        raise PromotionRefused(
            f"The ledger has no verdict on version {version}. See: iris ledger --kind promotion"
        )
    training, verdict = max(decided, key=lambda pair: pair[1].at)
    return card_of(training, verdict, project, drift_since(ledger, verdict.model, verdict.at))


def _decided(ledger: Ledger, version: int) -> Iterator[tuple[TrainedRecord, VerdictRecord]]:
    """The trainings of a version with their verdicts; a new registry counts from 1 again."""
    for path in ledger.trainings_of(version):
        if training := ledger.find(TrainedRecord, path):
            verdict = ledger.find(VerdictRecord, Identity.of_verdict(training.run_id, training.at))
            if verdict and verdict.inputs.version == version:
                yield training, verdict


def drift_since(ledger: Ledger, model: ModelRef, since: datetime) -> CardDrift:
    """Verdicts on the batches that a version scored, counted by severity.

    :param ledger: where the verdicts are.
    :param model: the version.
    :param since: when it was decided about.
    """
    until = datetime.now(UTC)
    mine: dict[Identity, str] = {}
    for entry in islice(ledger.journal("drift", since), LOOKED_THROUGH):
        if entry.identity.model_variant == model.variant and entry.outcome in SEVERITIES:
            mine.setdefault(entry.identity, entry.outcome)
    newest = ledger.get(next(iter(mine))) if mine else None
    counts = Counter(mine.values())
    told: dict[str, int] = {name: counts[name] for name in SEVERITIES if counts[name]}
    return CardDrift(until=until, severities=told, newest=newest.reason if newest else "")
