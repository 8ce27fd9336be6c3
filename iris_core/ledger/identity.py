"""Identities of decisions. The same inputs always give the same identity, and so the same key.

This module alone writes and reads the parts of a key: `{kind}/{day}/{subject}/{variant}`. `day` is a date
that the inputs carry (an object's landing, a parent record's time), `subject` is the digest of the input, and
`variant` names the configuration or model of the decision.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated, Literal, get_args

from pydantic import PlainSerializer, PlainValidator

from iris_core.ledger.model import ModelRef
from iris_core.store.versions import ObjectVersion

Kind = Literal["training", "promotion", "scoring", "performance", "drift", "action"]
KINDS: tuple[Kind, ...] = get_args(Kind)

VERDICT = "verdict"
ASKED = "asked"
STAGED = "staged"
PERFORMANCE = "performance"
RETRAIN = "retrain"
LATE = "late"


def kind_named(name: str) -> Kind:
    """The kind of decision with this name.

    :raises ValueError: there is no such kind.
    """
    for kind in KINDS:
        if kind == name:
            return kind
    raise ValueError(f"{name!r} is not a kind of decision; there are {', '.join(KINDS)}.")


class Variant(str):
    """The configuration or model of a decision: `base`, and after a `+` which further decision this is."""

    __slots__ = ()

    @property
    def base(self) -> str:
        """The short identity of a configuration or a model."""
        return self.partition("+")[0]

    @property
    def is_again(self) -> bool:
        """Whether this is a further decision with the same base about the same subject."""
        return "+" in self


@dataclass(frozen=True)
class Identity:
    """The identity of a decision."""

    kind: Kind
    day: date
    subject: str
    variant: Variant

    @property
    def path(self) -> str:
        """The record's key below the ledger's prefix, without `.json`; other records refer to it by this."""
        return f"{self.kind}/{self.day.isoformat()}/{self.subject}/{self.variant}"

    def __str__(self) -> str:
        return self.path

    @classmethod
    def parse(cls, path: str) -> Identity:
        """The identity with this path.

        :raises ValueError: it is not the path of a record.
        """
        kind, day, subject, variant = path.split("/")
        for part in (subject, variant):
            if not part.strip("."):
                raise ValueError(f"{path!r} is not the path of a record.")
        return cls(kind_named(kind), date.fromisoformat(day), subject, Variant(variant))

    def again(self, what: object) -> Identity:
        """The identity of a further decision about the same subject with the same base; `what` names it."""
        return Identity(self.kind, self.day, self.subject, Variant(f"{self.variant.base}+{what}"))

    @property
    def model_variant(self) -> str:
        """The variant of the model that a scoring, a drift verdict, or an action on a verdict is about."""
        named = self.variant if self.kind == "scoring" else self.subject.partition("-")[2]
        return Variant(named).base

    @classmethod
    def of_object(cls, kind: Kind, version: ObjectVersion, variant: str) -> Identity:
        """A decision about an object version.

        :param kind: the kind of decision.
        :param version: the object version.
        :param variant: the variant of the configuration or model.
        """
        return cls(kind, version.landed_at.date(), version.digest, Variant(variant))

    @classmethod
    def of_verdict(cls, run_id: str, trained: datetime) -> Identity:
        """The gate's verdict on the model of a training run."""
        return cls("promotion", trained.date(), run_id, Variant(VERDICT))

    @classmethod
    def of_request(cls, run_id: str, trained: datetime) -> Identity:
        """The request to a human to approve or reject the model of a training run."""
        return cls("promotion", trained.date(), run_id, Variant(ASKED))

    @classmethod
    def of_promotion(cls, run_id: str, trained: datetime) -> Identity:
        """The way of a training run's model from its registration to its staging; recorded if it fails."""
        return cls("promotion", trained.date(), run_id, Variant(STAGED))

    @classmethod
    def of_rollback(cls, subject: str, moment: datetime) -> Identity:
        """A rollback to the model of a training run."""
        return cls("promotion", moment.date(), subject, Variant(f"rollback-{moment:%H%M%S%f}"))

    @classmethod
    def of_drift(cls, scoring: Identity, scored: datetime) -> Identity:
        """The drift verdict on a scoring that was recorded at the time `scored`."""
        subject = f"{scoring.subject}-{scoring.variant}"
        return cls("drift", scored.astimezone(UTC).date(), subject, Variant(VERDICT))

    @classmethod
    def of_performance(cls, labels: Identity, model: ModelRef) -> Identity:
        """The drift verdict on a model version's performance on a file of labels.

        :param labels: the identity of the `performance` record.
        :param model: the model version.
        """
        subject = f"{labels.subject}-{model.variant}"
        return cls("drift", labels.day, subject, Variant(f"{PERFORMANCE}-{labels.variant}"))

    @property
    def is_about_performance(self) -> bool:
        """Whether a drift verdict judges a model's performance, not a batch."""
        return self.variant.startswith(PERFORMANCE)

    @classmethod
    def of_alert(cls, about: Identity, channel: str) -> Identity:
        """A message about a drift verdict, a request for an answer, or a late verdict, on one channel."""
        return cls._of_action(about, f"alert-{channel}")

    @classmethod
    def of_retraining(cls, verdict: Identity) -> Identity:
        """The decision whether to train again because of a drift verdict."""
        return cls._of_action(verdict, RETRAIN)

    @classmethod
    def of_lateness(cls, version: ObjectVersion, reopened: int = 0) -> Identity:
        """That a landed version has no verdict in the promised time.

        :param version: the version.
        :param reopened: how often a decision about it was reopened: each time the promised time begins anew.
        """
        late = cls("action", version.landed_at.date(), version.digest, Variant(LATE))
        return late.again(reopened) if reopened else late

    @classmethod
    def _of_action(cls, about: Identity, what: str) -> Identity:
        """An action about a record. Labels joined again have their own verdict and their own actions."""
        _, plus, again = about.variant.partition("+")
        return cls("action", about.day, about.subject, Variant(f"{what}{plus}{again}"))

    @classmethod
    def of_requested(cls, request: Identity, version: ObjectVersion, variant: str) -> Identity:
        """The training that a retrain request asks for.

        :param request: the identity of the request.
        :param version: the training data.
        :param variant: the variant of the training configuration.
        """
        digest = hashlib.sha256(request.path.encode()).hexdigest()[:12]
        return cls.of_object("training", version, variant).again(f"{RETRAIN}-{digest}")


def learnt_since(model: ModelRef) -> datetime | None:
    """The day on which a model's training data landed, if it is known: nothing about the model is older."""
    with suppress(ValueError):  # another tool's model has no path of a training, or any text
        return datetime.combine(Identity.parse(model.training).day, time(), UTC)
    return None


IdentityField = Annotated[
    Identity,
    PlainValidator(lambda given: given if isinstance(given, Identity) else Identity.parse(str(given))),
    PlainSerializer(str),
]
"""An identity as a field of a pydantic model; in JSON it is its path."""
