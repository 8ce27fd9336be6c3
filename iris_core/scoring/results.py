"""What a scoring leaves in the store and in MLflow: its parts, rejected rows, manifest and run; their keys.

From its manifest a scoring can be repeated. Of an object that cannot be scored only the rejected rows and the
record of its rejection are kept.

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
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from iris_core.errors import DataRejected, ObjectMissing
from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.objects import RejectedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs
from iris_core.scoring.counts import Counts
from iris_core.scoring.engine import HEADER, require_usable
from iris_core.scoring.work import Manifest, Ready, Scored, ShardEntry, Whole, Work
from iris_core.settings.places import MANIFESTS, REJECTS, WORK
from iris_core.settings.variables import Settings
from iris_core.store.assembly import RECORD, Assembly, abandon
from iris_core.store.objects import ObjectVersion

CONTENT_TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
LIBRARIES = ("numpy", "pandas", "polars", "pyarrow", "scikit-learn", "scipy")
LARGEST_ARTIFACT = 64 << 20
"""Bytes; larger predictions are not copied into MLflow."""
READERS = 8


@cache
def libraries() -> Mapping[str, str]:
    """Installed versions of the libraries that the output's bytes depend on."""
    return {name: version(name) for name in LIBRARIES}


@dataclass(frozen=True)
class Keys:
    """Keys of what a scoring writes; every attempt writes the same ones.

    :param bucket: the bucket of all of them.
    :param parts: prefix of its unfinished parts.
    :param predictions: the published predictions; the key begins with the time at which the input landed.
    :param rejects: the rejected rows.
    :param manifest: the manifest.
    """

    bucket: str
    parts: str
    predictions: str
    rejects: str
    manifest: str


def assembly_of(workspace: Workspace, work: Work, count: int) -> Assembly:
    """A scoring's predictions in the making, of `count` parts."""
    keys = keys_of(workspace.settings, work)
    content_type = CONTENT_TYPES[workspace.settings.predictions_format]
    return Assembly(workspace.store, keys.bucket, keys.predictions, content_type, keys.parts, count)


def keys_of(settings: Settings, work: Work) -> Keys:
    """The keys under which this deployment writes a scoring."""
    section = settings.names.section
    return Keys(
        bucket=settings.predictions_bucket,
        parts=f"{WORK}{section}/{work.identity}",
        predictions=f"{settings.predictions_prefix}/{work.name}.{settings.predictions_format}",
        rejects=f"{REJECTS}{section}/{work.name}.csv",
        manifest=_manifest_key(settings, work.identity.path),
    )


def manifest_uri(settings: Settings, scoring: str) -> str:
    """The address of a scoring's manifest.

    :param settings: of the deployment.
    :param scoring: the path of the scoring's record.
    """
    return f"s3://{settings.predictions_bucket}/{_manifest_key(settings, scoring)}"


def _manifest_key(settings: Settings, scoring: str) -> str:
    return f"{MANIFESTS}{settings.names.section}/{scoring}.json"


def reject_if_unusable(workspace: Workspace, whole: Whole) -> None:
    """Reject an object that has no rows, or too many rejected rows, and record the rejection.

    :raises DataRejected: the object is rejected.
    """
    try:
        require_usable(whole.counts, whole.work.object.uri, workspace.settings.max_reject_share)
    except DataRejected as error:
        record_rejection(workspace, whole.work, error, whole.parts)
        raise


def record_rejection(
    workspace: Workspace, work: Work, error: DataRejected, parts: Sequence[Scored] = ()
) -> None:
    """Record that an object cannot be scored; keep its rejected rows and delete its parts.

    :param work: the scoring that is rejected.
    :param error: the reason, and the evidence for the record.
    :param parts: the scored parts whose rejected rows are kept.
    """
    kept = _gather_rejects(workspace, work, parts)
    record = RejectedRecord(
        identity=work.identity,
        by=workspace.actor,
        reason=str(error),
        inputs=RejectedRecord.Inputs(object=work.object, model=work.model),
        outputs=RejectedRecord.Outputs(rejects=kept) if kept else RejectedRecord.Outputs(),
        evidence=Payload(**error.evidence),
    )
    workspace.ledger.commit(record)
    withdraw(workspace, work, only_parts=True)


def withdraw(workspace: Workspace, work: Work, only_parts: bool = False) -> None:
    """Delete what a decided scoring has written.

    :param work: the scoring.
    :param only_parts: delete the parts alone, not predictions, rejected rows and manifest.
    """
    bucket, store = workspace.settings.predictions_bucket, workspace.store
    keys = keys_of(workspace.settings, work)
    for key in list(store.keys(bucket, keys.parts)):
        if key.endswith(RECORD):
            abandon(store, bucket, keys.predictions, key)
        else:
            store.erase(bucket, key)
    if only_parts:
        return
    for key in (keys.predictions, keys.rejects, keys.manifest):
        with suppress(ObjectMissing):
            store.head(bucket, key)
            store.delete(bucket, key)


def _gather_rejects(workspace: Workspace, work: Work, parts: Sequence[Scored]) -> ObjectVersion | None:
    """Write the rejected rows of all parts into one object; None where there are none.

    :param work: the scoring that the parts belong to.
    :param parts: in row order.
    """
    found = [part.rejects for part in parts if part.rejects]
    if not found:
        return None
    bucket, key = workspace.settings.predictions_bucket, keys_of(workspace.settings, work).rejects
    return workspace.store.put_stream(bucket, key, _below_one_header(workspace, found), "text/csv")


def _below_one_header(workspace: Workspace, found: Sequence[ObjectVersion]) -> Iterator[bytes]:
    yield HEADER
    for rejects in found:
        step = 8 << 20
        for start in range(len(HEADER), rejects.size, step):
            yield workspace.store.read(rejects, start, min(start + step, rejects.size))


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
        rejects=_gather_rejects(workspace, work, whole.parts),
    )
    bucket, key = settings.predictions_bucket, keys_of(settings, work).manifest
    return Ready(whole, manifest, workspace.store.put(bucket, key, manifest.content, "application/json"))


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
        (folder / "manifest.json").write_bytes(batch[0].manifest.content)
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
