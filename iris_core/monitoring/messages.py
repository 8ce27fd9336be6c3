"""Messages for the channels: alerts about drift, and requests to answer for a model."""

from __future__ import annotations

import hashlib
from abc import abstractmethod

from pydantic import BaseModel, ConfigDict

from iris_core.drift.debounce import Debounced
from iris_core.ledger import Identity
from iris_core.ledger.records.drift import DriftRecord
from iris_core.ledger.records.promotion import AskedRecord
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
