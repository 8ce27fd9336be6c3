"""Messages for the channels: alerts about drift, requests to answer for a model, late verdicts."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from iris_core.drift.debounce import Debounced
from iris_core.ledger import Identity, Kind
from iris_core.ledger.records.action import LateRecord
from iris_core.ledger.records.drift import DriftRecord
from iris_core.ledger.records.promotion import AskedRecord
from iris_core.settings.values import spelled
from iris_core.settings.variables import Settings


class Message(BaseModel):
    """A message that every channel can show. `id` stays the same when the message is delivered again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    team: str
    environment: str

    @property
    @abstractmethod
    def title(self) -> str:
        """One line for a subject or a first line."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The whole message for a person, several lines."""


class Alert(Message):
    """An alert about a verdict; it also stands for `more` other verdicts on the same model.

    `command` is how a person types `iris` about this project.
    """

    severity: str
    sentence: str
    columns: tuple[str, ...]
    model: str
    data: str
    report: str
    violations: str
    verdict: str
    command: str = "iris"
    more: int = 0

    @property
    def title(self) -> str:
        return f"Drift {self.severity}: {self.model} ({self.team}, {self.environment})"

    @property
    def text(self) -> str:
        lines = [
            self.title,
            self.sentence,
            f"Batch: {self.data}",
            f"Alert: {self.violations}",
            f"Report: {self.report or 'none'}",
            f"Ledger: {self.verdict}",
        ]
        if self.more:
            lines.append(f"{self.more} more verdicts on this model alert: {self.command} ledger --kind drift")
        return "\n".join(lines)


class Request(Message):
    """A request to a human to answer for a model that passed the gate."""

    model: str
    version: int
    data: str
    sentence: str
    answer: str
    may_answer: str
    asked: str

    @property
    def title(self) -> str:
        return f"Promote {self.model} version {self.version}? ({self.team}, {self.environment})"

    @property
    def text(self) -> str:
        return "\n".join(
            (
                self.title,
                f"Trained on: {self.data}",
                f"The gate says yes: {self.sentence}",
                f"Answer: {self.answer}; {self.may_answer}",
                f"Ledger: {self.asked}",
            )
        )


class Overdue(Message):
    """A verdict is later than promised; it also stands for `more` other versions that are late.

    `command` is how a person types `iris` about this project.
    """

    data: str
    landed: str
    within: str
    missing: str
    sentence: str
    late: str
    command: str = "iris"
    more: int = 0

    @property
    def title(self) -> str:
        data = self.data.partition("?")[0]
        return f"No verdict within {self.within}: {data} ({self.team}, {self.environment})"

    @property
    def text(self) -> str:
        lines = [
            self.title,
            self.sentence,
            f"Object: {self.data}",
            f"Landed: {self.landed}",
            f"Look: {self.command} status, {self.command} doctor",
            f"Ledger: {self.late}",
        ]
        if self.more:
            lines.append(f"{self.more} more objects are late: {self.command} ledger --outcome late")
        return "\n".join(lines)


_MISSING: dict[Kind, str] = {
    "training": "No model has been trained on it, and it has not been refused.",
    "promotion": "A model was trained on it, but nothing has decided whether it is staged.",
    "scoring": "It has not been scored, and it has not been refused.",
    "drift": "It was scored, but its drift has not been judged.",
    "performance": "Its labels have not been joined to predictions, and it has not been refused.",
}


def overdue_of(settings: Settings, record: LateRecord, more: int = 0) -> Overdue:
    """The message about a late verdict.

    :param settings: name the team and the environment.
    :param record: the record of the lateness.
    :param more: how many other late versions the message stands for.
    """
    return Overdue(
        id=message_id(settings, record.identity),
        team=settings.team,
        environment=settings.platform_env,
        data=record.about.uri,
        landed=f"{record.about.landed_at:%Y-%m-%d %H:%M:%S} UTC",
        within=spelled(timedelta(seconds=record.evidence.within_s)),
        missing=record.evidence.missing,
        sentence=_MISSING.get(record.evidence.missing, ""),
        late=record.identity.path,
        command=settings.command,
        more=more,
    )


def request_of(settings: Settings, record: AskedRecord) -> Request:
    """The message that asks a human about a model."""
    return Request(
        id=message_id(settings, record.identity),
        team=settings.team,
        environment=settings.platform_env,
        model=record.inputs.model,
        version=record.inputs.version,
        data=record.about.uri if record.about else "",
        sentence=record.reason,
        answer=record.outputs.answer,
        may_answer=record.outputs.may_answer,
        asked=record.identity.path,
    )


def violations_of(state: Debounced) -> str:
    """The result of N of M, as a sentence."""
    return f"{state.violations} of the last {state.seen} batches are {state.least} or worse"


def alert_of(settings: Settings, record: DriftRecord, state: Debounced, more: int = 0) -> Alert:
    """The alert about a verdict.

    :param settings: name the team and the environment.
    :param record: the verdict.
    :param state: the result of N of M for it.
    :param more: how many other verdicts on the model the alert stands for.
    """
    model = record.model
    return Alert(
        id=message_id(settings, record.identity),
        team=settings.team,
        environment=settings.platform_env,
        severity=record.outcome,
        sentence=record.reason,
        columns=record.evidence.columns,
        model=f"{model.name} version {model.version}" if model else "",
        data=f"s3://{record.about.bucket}/{record.about.key}",
        report=record.report,
        violations=violations_of(state),
        verdict=record.identity.path,
        command=settings.command,
        more=more,
    )


def message_id(settings: Settings, about: Identity) -> str:
    """The id of a message about a record."""
    project = f"{settings.names.section}/" if settings.further else ""
    return hashlib.sha256(f"{settings.bucket}/{project}{about.path}".encode()).hexdigest()[:32]
