"""The evidence of a scoring: its manifest, from which it can be repeated, and its MLflow run.

An MLflow run costs a dozen requests, whatever its content. So a thousand small objects that are published
together share a few runs: a run's metrics are those of all its objects, and its `objects.json` is a table
with a row for each.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from iris_core.ledger import IdentityField, ModelRef
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs
from iris_core.scoring.counts import Counts
from iris_core.scoring.output import Format
from iris_core.scoring.work import Scored, Whole, Work, gather_rejects, keys_of
from iris_core.store.objects import ObjectVersion
from iris_core.tables import Range

LIBRARIES = ("numpy", "pandas", "polars", "pyarrow", "scikit-learn", "scipy")
LARGEST_ARTIFACT = 64 << 20
"""Bytes; larger predictions are not copied into MLflow."""
READERS = 8


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


@dataclass(frozen=True)
class Ready:
    """An object whose outputs are all written except the MLflow run."""

    whole: Whole
    manifest: Manifest
    manifest_at: ObjectVersion

    @property
    def work(self) -> Work:
        return self.whole.work


@cache
def libraries() -> Mapping[str, str]:
    """Installed versions of the libraries that the output's bytes depend on."""
    return {name: version(name) for name in LIBRARIES}


def keep_manifest(workspace: Workspace, whole: Whole, predictions: ObjectVersion) -> Ready:
    """Write the rejected rows and the manifest of an object whose predictions are written.

    :param whole: the object and its parts.
    :param predictions: the published predictions.
    """
    settings, work, counts = workspace.settings, whole.work, whole.counts
    manifest = Manifest(
        scoring=work.identity,
        input=work.object,
        input_digest=work.object.digest,
        model=work.model,
        model_sha256=whole.parts[0].model_digest,
        code_version=workspace.actor.code_version,
        libraries=dict(libraries()),
        probabilities=settings.prediction_probabilities,
        format=settings.predictions_format,
        csv_safe=settings.csv_safe,
        max_reject_share=settings.max_reject_share,
        shards=tuple(map(_entry, whole.parts)),
        rows=counts.rows,
        rejected=counts.rejected,
        classes=counts.classes,
        predictions=predictions,
        rejects=gather_rejects(workspace, work, whole.parts),
    )
    bucket, key = settings.predictions_bucket, keys_of(settings, work).manifest
    return Ready(whole, manifest, workspace.store.put(bucket, key, manifest.to_bytes(), "application/json"))


def _entry(part: Scored) -> ShardEntry:
    return ShardEntry(
        range=part.range,
        rows=part.counts.rows,
        rejected=part.counts.rejected,
        size=part.part.size if part.part else 0,
        sha256=part.digest,
        seconds=part.seconds,
    )


def log_run(workspace: Workspace, batch: Sequence[Ready]) -> str:
    """Log objects that are about to be committed; return the run's id. The run has the first one's identity.

    :raises RegistryError: MLflow refused or did not answer.
    """
    import mlflow

    first, others = batch[0].work, len(batch) - 1
    new = mlflow_runs.NewRun(
        experiment=workspace.settings.names.inference_experiment,
        name=f"score {f'{len(batch)} objects from ' if others else ''}{first.name}",
        identity=first.identity,
        tags={
            "iris.model_version": str(first.model.version),
            **({mlflow_runs.OBJECTS_TAG: str(len(batch))} if others else {}),
        },
        objects=[ready.work.object for ready in batch],
        context="inference",
    )
    counts = sum((ready.whole.counts for ready in batch), Counts())
    with mlflow_runs.attempt(workspace, new) as run_id:
        named = {"model": first.model.name, "model_version": first.model.version}
        mlflow_runs.log_batch(mlflow.MlflowClient(), run_id, dict(_metrics(counts)), named)
        with tempfile.TemporaryDirectory(prefix="iris-predictions-") as folder:
            _write(workspace, batch, counts, Path(folder))
            mlflow.log_artifacts(folder)
    return run_id


def _metrics(counts: Counts) -> Iterator[tuple[str, float]]:
    yield "rows", float(counts.rows)
    yield "rejected", float(counts.rejected)
    for name, count in counts.classes.items():
        yield f"share_{name}", count / counts.rows
    if found := counts.quality:
        yield "accuracy", found.accuracy
        for name, one in found.classes.items():
            for what, value in (("precision", one.precision), ("recall", one.recall)):
                if value is not None:
                    yield f"{what}_{name}", value


def _write(workspace: Workspace, batch: Sequence[Ready], counts: Counts, folder: Path) -> None:
    """Write the run's artifacts: confusion matrix, manifest or table of objects, small predictions."""
    if counts.agreement:
        matrix = json.dumps({"rows_are_actual": counts.agreement}, indent=1)
        (folder / "confusion_matrix.json").write_text(matrix, encoding="utf-8")
    is_small = sum(ready.manifest.predictions.size for ready in batch) <= LARGEST_ARTIFACT
    if len(batch) == 1:
        (folder / "manifest.json").write_bytes(batch[0].manifest.to_bytes())
        if is_small:
            workspace.store.download(batch[0].manifest.predictions, str(folder))
        return
    (folder / mlflow_runs.OBJECTS).write_text(json.dumps(_table(batch)), encoding="utf-8")
    if is_small:
        _pack(workspace, batch, folder / "predictions.zip")


def _table(batch: Sequence[Ready]) -> dict[str, list[object]]:
    """A table of the objects in MLflow's format: `columns` and `data`."""
    columns = ("scoring", "input", "rows", "rejected", "accuracy", "predictions", "manifest")
    return {
        "columns": [*columns],
        "data": [
            [
                ready.work.identity.path,
                ready.work.object.uri,
                ready.whole.counts.rows,
                ready.whole.counts.rejected,
                found.accuracy if (found := ready.whole.counts.quality) else None,
                ready.manifest.predictions.uri,
                ready.manifest_at.uri,
            ]
            for ready in batch
        ],
    }


def _pack(workspace: Workspace, batch: Sequence[Ready], path: Path) -> None:
    with ThreadPoolExecutor(READERS) as pool, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        contents = pool.map(lambda ready: workspace.store.read(ready.manifest.predictions), batch)
        for ready, content in zip(batch, contents, strict=True):
            file.writestr(ready.manifest.predictions.key.rsplit("/", 1)[-1], content)
