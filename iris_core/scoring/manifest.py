"""The manifest of a scoring: everything that is needed to make the predictions again."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict

from iris_core.ledger import IdentityField, ModelRef
from iris_core.scoring.output import Format
from iris_core.scoring.work import Scored
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


def libraries() -> dict[str, str]:
    """Installed versions of the libraries that the output's bytes depend on."""
    return {name: version(name) for name in LIBRARIES}


def entries(parts: Sequence[Scored]) -> tuple[ShardEntry, ...]:
    """The manifest's entries for these parts."""
    return tuple(
        ShardEntry(
            range=one.piece.range,
            rows=one.counts.rows,
            rejected=one.counts.rejected,
            size=one.part.size if one.part else 0,
            sha256=one.digest,
            seconds=one.seconds,
        )
        for one in parts
    )


def as_json(manifest: Manifest) -> bytes:
    """The bytes of a manifest as they are stored."""
    return manifest.model_dump_json(indent=1).encode()


def parse_manifest(raw: bytes) -> Manifest:
    """The manifest in the stored bytes."""
    return Manifest.model_validate_json(raw)
