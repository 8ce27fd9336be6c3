"""A version's model card: what it is for, what it learnt from, how right it is, and where it fails.

Computed from the training's record, the verdict's and project.json, so a repeated promotion makes the same
card. Mitchell and others, Model Cards for Model Reporting (2019).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from iris_core.ledger.records.gate import Approval, GateEvidence, Importances, Interval
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.models.intervals import LEVEL, wilson_interval
from iris_core.settings.project import About, Project

FEW_ROWS = 30
"""A class with fewer holdout rows is named among the limits."""


class CardPart(BaseModel):
    """A part of a card; its JSON has all fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CardColumn(CardPart):
    """A column that the model sees."""

    name: str
    type: str
    unit: str = ""


class CardData(CardPart):
    """The object version that the model was trained on, and how it was split."""

    object: str
    digest: str
    landed_at: datetime
    rows: int
    learned_rows: int
    holdout_rows: int
    columns: tuple[CardColumn, ...]
    target: str


class CardScore(CardPart):
    """A score on the holdout, with its interval."""

    value: float
    interval: Interval


class CardMetric(CardPart):
    """How right the model is on the holdout, in the declared metric and in accuracy.

    `majority_accuracy` is that of always answering `majority`. `cross_validated_accuracy` is of models that
    are trained alike. `versus` is the staged version that it was compared with, `gain` the difference to it.
    """

    name: str
    score: CardScore
    accuracy: CardScore
    threshold: float
    majority: str
    majority_accuracy: float
    cross_validated_accuracy: float | None
    versus: int | None = None
    gain: CardScore | None = None


class CardClass(CardPart):
    """One class: recall and precision on the holdout with their intervals; None without rows to tell from."""

    name: str
    learned_rows: int
    holdout_rows: int
    recall: CardScore | None
    precision: CardScore | None


class CardDrift(CardPart):
    """Verdicts on what the version scored, by severity, up to a time; `newest` is the last one's sentence."""

    until: datetime
    severities: dict[str, int] = Field(default_factory=dict)
    newest: str = ""


class ModelCard(CardPart):
    """A version's model card. Without evidence (the table was gone) there are no scores.

    `limits` are those of project.json, then those that the numbers show.
    """

    project: str
    model: str
    version: int
    run_id: str
    estimator: str
    outcome: str
    reason: str
    decided_at: datetime
    decided_by: str
    about: About
    data: CardData
    metric: CardMetric | None
    classes: tuple[CardClass, ...]
    importance: Importances | None
    drift: CardDrift
    limits: tuple[str, ...]
    suspicion: str = ""
    approval: Approval | None = None

    def to_bytes(self) -> bytes:
        """The card as JSON."""
        return self.model_dump_json(indent=1).encode()


def card_of(
    training: TrainedRecord, verdict: VerdictRecord, project: Project, drift: CardDrift | None = None
) -> ModelCard:
    """The card of a version that was decided about.

    :param training: the record of its training.
    :param verdict: the verdict on it.
    :param project: has what people say of it, and the table.
    :param drift: what it met since; by default nothing, as at its promotion.
    """
    evidence = verdict.evidence if isinstance(verdict.evidence, GateEvidence) else None
    classes = tuple(_classes(training, evidence)) if evidence else ()
    return ModelCard(
        project=project.full_name,
        model=verdict.model.name,
        version=verdict.model.version,
        run_id=training.run_id,
        estimator=training.inputs.config.estimator,
        outcome=verdict.outcome,
        reason=verdict.reason,
        decided_at=verdict.at,
        decided_by=verdict.by.owner,
        about=project.about,
        data=_data(training, project),
        metric=_metric(evidence) if evidence else None,
        classes=classes,
        importance=evidence.importance if evidence else None,
        drift=drift or CardDrift(until=verdict.at),
        limits=(*project.about.limits, *(_shown_limits(evidence, classes) if evidence else ())),
        suspicion=evidence.suspicion if evidence else "",
        approval=evidence.approval if evidence else None,
    )


def _data(training: TrainedRecord, project: Project) -> CardData:
    found, version = training.evidence, training.about
    columns = (CardColumn(name=one.name, type=one.type, unit=one.unit) for one in project.table.features)
    return CardData(
        object=version.uri,
        digest=version.digest,
        landed_at=version.landed_at,
        rows=found.rows,
        learned_rows=found.rows - found.holdout_rows,
        holdout_rows=found.holdout_rows,
        columns=tuple(columns),
        target=project.table.target,
    )


def _metric(evidence: GateEvidence) -> CardMetric:
    score, interval = evidence.judged
    champion = evidence.champion
    return CardMetric(
        name=evidence.metric,
        score=CardScore(value=score, interval=interval),
        accuracy=CardScore(value=evidence.accuracy, interval=evidence.accuracy_interval),
        threshold=evidence.threshold,
        majority=evidence.floor.majority,
        majority_accuracy=evidence.floor.majority_accuracy,
        cross_validated_accuracy=evidence.learnable.accuracy if evidence.learnable else None,
        versus=champion.version if champion else None,
        gain=CardScore(value=champion.gain, interval=champion.difference) if champion else None,
    )


def _classes(training: TrainedRecord, evidence: GateEvidence) -> Iterator[CardClass]:
    """Each class; the confusion matrix of the training counts the same holdout."""
    agreement = training.evidence.agreement or {}
    for one in evidence.classes:
        right = agreement.get(one.name, {}).get(one.name, 0)
        answered = sum(row.get(one.name, 0) for row in agreement.values())
        yield CardClass(
            name=one.name,
            learned_rows=one.learned_rows,
            holdout_rows=one.rows,
            recall=_share(round((one.recall or 0) * one.rows), one.rows),
            precision=_share(right, answered),
        )


def _share(right: int, rows: int) -> CardScore | None:
    if not rows:
        return None
    return CardScore(value=right / rows, interval=wilson_interval(right, rows, LEVEL))


def _shown_limits(evidence: GateEvidence, classes: tuple[CardClass, ...]) -> Iterator[str]:
    for one in classes:
        if one.holdout_rows < FEW_ROWS:
            rows = "1 row" if one.holdout_rows == 1 else f"{one.holdout_rows} rows"
            yield f"Class {one.name!r} has {rows} in the holdout: {_known(one)}."
    for column in evidence.columns:
        if not column.is_typical:
            mean = f"{column.mean:.4g} {column.unit}".rstrip()
            yield (
                f"The mean of {column.name!r} in the {column.part} rows is {mean}, which is not typical "
                f"according to {column.according_to}."
            )
    if champion := evidence.champion:
        yield (
            f"A loss of less than {champion.detectable_loss:.1%} against version {champion.version} would "
            "not have been seen."
        )


def _known(one: CardClass) -> str:
    if one.recall is None:
        return "nothing is known of its recall"
    between = one.recall.interval
    return f"its recall is known to lie between {between.low:.0%} and {between.high:.0%}"


def in_words(severities: Mapping[str, int]) -> str:
    """Verdicts by severity, in words."""
    return ", ".join(f"{count} {severity}" for severity, count in severities.items()) or "no batch yet"
