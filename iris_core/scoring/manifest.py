"""The manifest of a scoring: everything that is needed to make the predictions again."""

from __future__ import annotations

from importlib.metadata import version

from pydantic import BaseModel, ConfigDict

from iris_core.ledger import IdentityField, ModelRef
from iris_core.ledger.workspace import Workspace
from iris_core.scoring.output import Format
from iris_core.scoring.work import Scored, Whole
from iris_core.store.objects import ObjectVersion
from iris_core.tables import Range

LIBRARIES = ("numpy", "pandas", "polars", "pyarrow", "scikit-learn", "scipy")


class ShardEntry(BaseModel):
    """One part of the output: its input range (None: the whole), counts, and SHA-256 of its bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    range: Range | None
    rows: int
    rejected: int
    size: int
    sha256: str
    seconds: float


class Manifest(BaseModel):
    """Input, model, code, shards, counts and outputs of a scoring.

    `shards` are in row order; joined, their bytes are the predictions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scoring: IdentityField
    input: ObjectVersion
    input_digest: str
    model: ModelRef
    model_sha256: str
    code_version: str
    libraries: dict[str, str]
    probabilities: bool
    format: Format
    csv_safe: bool = False
    max_reject_share: float
    shards: tuple[ShardEntry, ...]
    rows: int
    rejected: int
    classes: dict[str, int]
    predictions: ObjectVersion
    rejects: ObjectVersion | None

    def to_bytes(self) -> bytes:
        """The manifest as it is stored."""
        return self.model_dump_json(indent=1).encode()


def libraries() -> dict[str, str]:
    """Installed versions of the libraries that the output's bytes depend on."""
    return {name: version(name) for name in LIBRARIES}


def manifest_for(
    workspace: Workspace, whole: Whole, predictions: ObjectVersion, rejects: ObjectVersion | None
) -> Manifest:
    """The manifest of a scoring whose outputs are written.

    :param whole: the object and its parts.
    :param predictions: the published predictions.
    :param rejects: the rejected rows, if there are any.
    """
    settings, work, counts = workspace.settings, whole.work, whole.counts
    return Manifest(
        scoring=work.identity,
        input=work.object,
        input_digest=work.object.digest,
        model=work.model,
        model_sha256=whole.parts[0].model_digest,
        code_version=workspace.actor.code_version,
        libraries=libraries(),
        probabilities=settings.prediction_probabilities,
        format=settings.predictions_format,
        csv_safe=settings.csv_safe,
        max_reject_share=settings.max_reject_share,
        shards=tuple(map(_entry, whole.parts)),
        rows=counts.rows,
        rejected=counts.rejected,
        classes=counts.classes,
        predictions=predictions,
        rejects=rejects,
    )


def _entry(part: Scored) -> ShardEntry:
    return ShardEntry(
        range=part.piece.range,
        rows=part.counts.rows,
        rejected=part.counts.rejected,
        size=part.part.size if part.part else 0,
        sha256=part.digest,
        seconds=part.seconds,
    )
