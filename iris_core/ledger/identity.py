"""What a decision is about. The same inputs always give the same identity, and the same key.

Every part of a key is written and read here: `{kind}/{day}/{subject}/{variant}`. `day` is a date that the
inputs carry (an object's landing, a parent record's time), `subject` the digest of the input, `variant` what
it was decided with.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Literal, get_args

from pydantic import PlainSerializer, PlainValidator

from iris_core.ledger.model import ModelRef
from iris_core.store.versions import ObjectVersion

Kind = Literal["training", "promotion", "scoring", "performance", "drift", "action"]
KINDS: tuple[Kind, ...] = get_args(Kind)

VERDICT = "verdict"
ASKED = "asked"
PERFORMANCE = "performance"
RETRAIN = "retrain"


def kind_named(name: str) -> Kind:
    """The kind of decision of this name.

    :raises ValueError: there is none.
    """
    for kind in KINDS:
        if kind == name:
            return kind
    raise ValueError(f"{name!r} is not a kind of decision; there are {', '.join(KINDS)}.")


class Variant(str):
    """What was decided with: `base`, and after a `+` which further decision about the same it is."""

    __slots__ = ()

    @property
    def base(self) -> str:
        """The short identity of a configuration or a model."""
        return self.partition("+")[0]

    @property
    def is_again(self) -> bool:
        """Whether it is a further decision about the same."""
        return "+" in self


@dataclass(frozen=True)
class Identity:
    """What a decision is about."""

    kind: Kind
    day: date
    subject: str
    variant: Variant

    @property
    def path(self) -> str:
        """The record's key below the ledger's prefix, without `.json`; names the record elsewhere."""
        return f"{self.kind}/{self.day.isoformat()}/{self.subject}/{self.variant}"

    def __str__(self) -> str:
        return self.path

    @classmethod
    def parse(cls, path: str) -> Identity:
        """The identity that `path` names.

        :raises ValueError: it names none.
        """
        kind, day, subject, variant = path.split("/")
        for part in (subject, variant):
            if not part.strip("."):
                raise ValueError(f"{path!r} is not the path of a record.")
        return cls(kind_named(kind), date.fromisoformat(day), subject, Variant(variant))

    def again(self, what: object) -> Identity:
        """The identity of a further decision about the same."""
        return Identity(self.kind, self.day, self.subject, Variant(f"{self.variant.base}+{what}"))

    @property
    def model_variant(self) -> str:
        """The model that a scoring, or a drift verdict about one, names."""
        named = self.subject.partition("-")[2] if self.kind == "drift" else self.variant
        return Variant(named).base

    @classmethod
    def of_object(cls, kind: Kind, version: ObjectVersion, variant: str) -> Identity:
        """A decision about an object version.

        :param variant: what it is made with.
        """
        return cls(kind, version.landed_at.date(), version.digest, Variant(variant))

    @classmethod
    def of_verdict(cls, run_id: str, trained: datetime) -> Identity:
        """The gate's verdict on the model of a training run."""
        return cls("promotion", trained.date(), run_id, Variant(VERDICT))

    @classmethod
    def of_request(cls, run_id: str, trained: datetime) -> Identity:
        """The request to a human to answer for the model of a training run."""
        return cls("promotion", trained.date(), run_id, Variant(ASKED))

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
        """The drift verdict on what a file of labels says of a model version.

        :param labels: the identity of the `performance` record.
        """
        subject = f"{labels.subject}-{model.variant}"
        return cls("drift", labels.day, subject, Variant(f"{PERFORMANCE}-{labels.variant}"))

    @property
    def is_about_performance(self) -> bool:
        """Whether a drift verdict judges a model's performance, not a batch."""
        return self.variant.startswith(PERFORMANCE)

    @classmethod
    def of_alert(cls, about: Identity, channel: str) -> Identity:
        """A message about a drift verdict, or about a request for an answer, on one channel."""
        return cls._of_action(about, f"alert-{channel}")

    @classmethod
    def of_retraining(cls, verdict: Identity) -> Identity:
        """Whether to train again because of a drift verdict."""
        return cls._of_action(verdict, RETRAIN)

    @classmethod
    def _of_action(cls, about: Identity, what: str) -> Identity:
        """Labels that are joined again have a verdict of their own, and so actions of their own."""
        _, plus, again = about.variant.partition("+")
        return cls("action", about.day, about.subject, Variant(f"{what}{plus}{again}"))

    @classmethod
    def of_requested(cls, request: Identity, version: ObjectVersion, variant: str) -> Identity:
        """The training that a retrain request asks for.

        :param version: what to train on.
        :param variant: the training configuration's.
        """
        digest = hashlib.sha256(request.path.encode()).hexdigest()[:12]
        return cls.of_object("training", version, variant).again(f"{RETRAIN}-{digest}")


IdentityField = Annotated[
    Identity,
    PlainValidator(lambda given: given if isinstance(given, Identity) else Identity.parse(str(given))),
    PlainSerializer(str),
]
"""An identity in a pydantic model; in JSON its path."""
