"""The MLflow run of objects that are published together: one object, or many small ones.

A run costs a dozen requests, whatever its content. So a thousand small objects share a few runs: a run's
metrics are those of all its objects, and its `objects.json` is a table with a row for each.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.models.metrics import metric_name
from iris_core.scoring import places
from iris_core.scoring.counts import Counts
from iris_core.scoring.manifest import Manifest
from iris_core.scoring.work import Whole, Work
from iris_core.store.versions import ObjectVersion

LARGEST_ARTIFACT = 64 << 20
"""Bytes; larger predictions are not copied into MLflow."""
READERS = 8


@dataclass(frozen=True)
class Ready:
    """An object whose outputs are all written except the MLflow run."""

    whole: Whole
    manifest: Manifest
    manifest_at: ObjectVersion

    @property
    def work(self) -> Work:
        return self.whole.work


def log_run(workspace: Workspace, batch: Sequence[Ready]) -> str:
    """Log objects that are about to be committed; return the run's id. The run has the first one's identity.

    :raises RegistryError: MLflow refused or did not answer.
    """
    import mlflow

    first = batch[0].work
    tags = {"iris.model_version": str(first.model.version)}
    if len(batch) == 1:
        name, tags = f"score {places.name(first)}", {**tracking.object_tags(first.object), **tags}
    else:
        name = f"score {len(batch)} objects from {places.name(first)}"
        tags["iris.objects"] = str(len(batch))
    counts = Counts.total(ready.whole.counts for ready in batch)
    experiment = workspace.settings.names.inference_experiment
    with tracking.attempt(workspace, experiment, name, first.identity, tags) as run_id:
        mlflow.log_params({"model": first.model.name, "model_version": first.model.version})
        mlflow.log_metrics(dict(_metrics(counts)))
        tracking.log_datasets([ready.work.object for ready in batch], "inference_data", "inference")
        with tempfile.TemporaryDirectory(prefix="iris-predictions-") as folder:
            _write(workspace, batch, counts, Path(folder))
            mlflow.log_artifacts(folder)
    return run_id


def _metrics(counts: Counts) -> Iterator[tuple[str, float]]:
    yield "rows", float(counts.rows)
    yield "rejected", float(counts.rejected)
    for name, count in counts.classes.items():
        yield metric_name(f"share_{name}"), count / counts.rows
    if found := counts.quality:
        yield from found.metrics()


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
    (folder / "objects.json").write_text(json.dumps(_table(batch)), encoding="utf-8")
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
