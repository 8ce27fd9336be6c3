"""From scored parts to published predictions: all of an object in row order, or nothing of it.

Predictions, rejected rows and manifest are written whole before the ledger record that commits them. A
process that dies in between leaves objects that the next attempt writes again, under the same keys.
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from iris_core import tracking
from iris_core.errors import DataRejected, DecidedElsewhere, NothingOwed, ObjectMissing
from iris_core.ledger import Committed, Record
from iris_core.reconcile import Source, supersede_older
from iris_core.scoring import manifest as manifests
from iris_core.scoring import places
from iris_core.scoring.manifest import Manifest
from iris_core.scoring.quality import Quality, quality
from iris_core.scoring.rejects import HEADER, Faults, judge
from iris_core.scoring.work import Scored, Work
from iris_core.storage import ObjectVersion
from iris_core.workspace import Workspace

log = logging.getLogger(__name__)

SCORED = "scored"
REJECTED = "rejected"
LARGEST_ARTIFACT = 64 << 20
"""Larger predictions are named in MLflow, not copied into it."""


@dataclass(frozen=True)
class Whole:
    """All parts of one object, in row order."""

    work: Work
    parts: tuple[Scored, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def rejected(self) -> int:
        return sum(part.rejected for part in self.parts)

    @property
    def classes(self) -> dict[str, int]:
        """Rows by predicted class."""
        return dict(sum((Counter(part.classes) for part in self.parts), Counter()))

    @property
    def agreement(self) -> dict[str, dict[str, int]]:
        """Counts by label, then by prediction."""
        table: dict[str, Counter[str]] = {}
        for part in self.parts:
            for label, row in part.agreement.items():
                table.setdefault(label, Counter()).update(row)
        return {label: dict(row) for label, row in sorted(table.items())}

    @property
    def quality(self) -> Quality | None:
        """How right the predictions are; None without labels."""
        return quality(self.agreement)

    def faults(self) -> Faults:
        """What was wrong with the rejected rows."""
        faults = Faults()
        for part in self.parts:
            faults.add(part.faults)
        return faults


def wholes(results: Iterable[Scored]) -> Iterator[Whole]:
    """The objects of which every part is there; others are left for another run."""
    by_work: dict[str, list[Scored]] = {}
    for scored in results:
        by_work.setdefault(scored.work.identity, []).append(scored)
    for parts in by_work.values():
        parts.sort(key=lambda part: part.piece.index)
        expected = parts[0].piece.count
        if [part.piece.index for part in parts] == list(range(expected)):
            yield Whole(parts[0].work, tuple(parts))
        else:
            log.warning("%s: %d of %d parts; not published.", parts[0].work.object.uri, len(parts), expected)


def publish_all(workspace: Workspace, results: Iterable[Scored]) -> list[dict[str, Any]]:
    """Publish what a run scored; what another run decided meanwhile is left to it.

    :raises NothingOwed: nothing is left to publish.
    :raises DataRejected: nothing could be published because too many rows could not be scored.
    """
    published, refused = [], []
    for whole in wholes(results):
        try:
            published.append(_summary(publish(workspace, whole)))
        except DecidedElsewhere:
            continue
        except DataRejected as error:
            log.warning("%s", error)
            refused.append(error)
    if refused and not published:
        raise refused[0]
    if not published:
        raise NothingOwed("Nothing is left to publish: other runs decided about all of it.")
    return published


def publish(workspace: Workspace, whole: Whole | Scored) -> Record:
    """Make a scoring visible: predictions at a timestamped key, MLflow run, manifest, ledger record.

    The key's time is when the input landed, so that repeated work writes the same object.

    :raises DecidedElsewhere: another run published first; nothing of this one stays.
    :raises DataRejected: more rows than `MAX_REJECT_SHARE` cannot be scored; recorded first.
    """
    if isinstance(whole, Scored):
        whole = Whole(whole.work, (whole,))
    work = whole.work
    standing = workspace.ledger.get(work.key)
    if standing is None and all(part.part for part in whole.parts):
        _judge(workspace, whole)
        standing = _publish(workspace, whole)
        _supersede_older(workspace, work)
    withdraw(workspace, work, only_parts=standing is not None and standing.outcome == SCORED)
    return _standing(work, standing)


def _supersede_older(workspace: Workspace, work: Work) -> None:
    """What came before and was never scored is superseded now; nothing that it left stays."""
    settings, model = workspace.settings, work.model
    where, inputs = Source(settings.bucket, settings.test_key), {"model": model.model_dump(mode="json")}
    for item in supersede_older(workspace, "scoring", where, work.object, model.variant, inputs):
        withdraw(workspace, Work(object=item.object, identity=item.identity.path, model=model))


def _judge(workspace: Workspace, whole: Whole) -> None:
    rows = whole.rows + whole.rejected
    most = workspace.settings.max_reject_share
    try:
        judge(whole.work.object.uri, rows, whole.rejected, whole.faults().all(), most)
    except DataRejected as error:
        reject(workspace, whole.work, error, whole.parts)
        raise


def _publish(workspace: Workspace, whole: Whole) -> Record:
    work, settings, store = whole.work, workspace.settings, workspace.store
    parts = [part.part for part in whole.parts if part.part]
    content_type = places.CONTENT_TYPES[settings.predictions_format]
    bucket, key = settings.predictions_bucket, places.predictions(workspace, work)
    predictions = store.compose(parts, bucket, key, content_type)
    rejects = _gather_rejects(workspace, work, whole.parts)
    run_id, manifest = _log(workspace, whole, predictions, rejects)
    committed = _commit(workspace, whole, predictions, rejects, manifest, run_id)
    tracking.settle(workspace, run_id, committed.won)
    return committed.record


def _gather_rejects(workspace: Workspace, work: Work, parts: Sequence[Scored]) -> ObjectVersion | None:
    found = [part.rejects for part in parts if part.rejects]
    if not found:
        return None
    bucket, key = workspace.settings.predictions_bucket, places.rejects(workspace, work)
    return workspace.store.put_stream(bucket, key, _below_one_header(workspace, found), "text/csv")


def _below_one_header(workspace: Workspace, found: Sequence[ObjectVersion]) -> Iterator[bytes]:
    yield HEADER
    for version in found:
        step = 8 << 20
        for start in range(len(HEADER), version.size, step):
            yield workspace.store.read(version, start, min(start + step, version.size))


def _commit(
    workspace: Workspace,
    whole: Whole,
    predictions: ObjectVersion,
    rejects: ObjectVersion | None,
    manifest: ObjectVersion,
    run_id: str,
) -> Committed:
    outputs = {
        "predictions": predictions.model_dump(mode="json"),
        "rejects": rejects.model_dump(mode="json") if rejects else None,
        "manifest": manifest.model_dump(mode="json"),
        "run_id": run_id,
    }
    found = whole.quality
    evidence = {
        "rows": whole.rows,
        "rejected": whole.rejected,
        "classes": whole.classes,
        "agreement": whole.agreement,
        "accuracy": found.accuracy if found else None,
        "shards": len(whole.parts),
    }
    if found:
        evidence["per_class"] = {name: one.model_dump() for name, one in found.classes.items()}
    return workspace.ledger.commit(
        whole.work.key,
        SCORED,
        workspace.actor,
        inputs=whole.work.inputs,
        outputs=outputs,
        evidence=evidence,
    )


def reject(workspace: Workspace, work: Work, error: DataRejected, parts: Sequence[Scored] = ()) -> Committed:
    """Record that an object cannot be scored; the rows that cannot stay findable, nothing else does."""
    rejects = _gather_rejects(workspace, work, parts)
    committed = workspace.ledger.commit(
        work.key,
        REJECTED,
        workspace.actor,
        reason=str(error),
        inputs=work.inputs,
        outputs={"rejects": rejects.model_dump(mode="json")} if rejects else {},
        evidence=error.evidence,
    )
    withdraw(workspace, work, only_parts=True)
    return committed


def withdraw(workspace: Workspace, work: Work, only_parts: bool = False) -> None:
    """Delete the parts of a scoring that is decided, and the predictions of one that was not to be."""
    bucket, store = workspace.settings.predictions_bucket, workspace.store
    for key in list(store.keys(bucket, places.parts(workspace, work.identity))):
        store.delete(bucket, key)
    if only_parts:
        return
    for key in (places.predictions(workspace, work), places.rejects(workspace, work)):
        with suppress(ObjectMissing):
            store.head(bucket, key)
            store.delete(bucket, key)


def _standing(work: Work, standing: Record | None) -> Record:
    if standing is None or standing.outcome != SCORED:
        outcome = standing.outcome if standing else "not scored"
        raise DecidedElsewhere(f"{work.object.uri} is {outcome}. {standing.reason if standing else ''}")
    return standing


def _log(
    workspace: Workspace, whole: Whole, predictions: ObjectVersion, rejects: ObjectVersion | None
) -> tuple[str, ObjectVersion]:
    import mlflow

    work, names = whole.work, workspace.settings.names
    tags = {**tracking.object_tags(work.object), "iris.model_version": str(work.model.version)}
    run_name = f"score {places.name(work)}"
    with tracking.attempt(workspace, names.inference_experiment, run_name, work.identity, tags) as run_id:
        mlflow.log_params({"model": work.model.name, "model_version": work.model.version})
        mlflow.log_metrics(dict(_metrics(whole)))
        tracking.log_dataset(work.object, "inference_data", "inference")
        manifest = _manifest(workspace, whole, predictions, rejects)
        mlflow.log_text(manifests.as_json(manifest).decode(), "manifest.json")
        if whole.agreement:
            mlflow.log_dict({"rows_are_actual": whole.agreement}, "confusion_matrix.json")
        if predictions.size <= LARGEST_ARTIFACT:
            with tempfile.TemporaryDirectory(prefix="iris-predictions-") as folder:
                mlflow.log_artifact(workspace.store.download(predictions, folder))
    bucket, key = workspace.settings.predictions_bucket, places.manifest(workspace, work, run_id)
    return run_id, workspace.store.put(bucket, key, manifests.as_json(manifest), "application/json")


def _metrics(whole: Whole) -> Iterator[tuple[str, float]]:
    yield "rows", float(whole.rows)
    yield "rejected", float(whole.rejected)
    for name, count in whole.classes.items():
        yield f"share_{name}", count / whole.rows
    if found := whole.quality:
        yield from found.metrics()


def _manifest(
    workspace: Workspace, whole: Whole, predictions: ObjectVersion, rejects: ObjectVersion | None
) -> Manifest:
    settings, work = workspace.settings, whole.work
    return Manifest(
        scoring=work.identity,
        input=work.object,
        input_digest=work.object.digest,
        model=work.model,
        model_sha256=whole.parts[0].model_digest,
        code_version=workspace.actor.code_version,
        libraries=manifests.libraries(),
        probabilities=settings.prediction_probabilities,
        format=settings.predictions_format,
        csv_safe=settings.csv_safe,
        max_reject_share=settings.max_reject_share,
        shards=manifests.entries(whole.parts),
        rows=whole.rows,
        rejected=whole.rejected,
        classes=whole.classes,
        predictions=predictions,
        rejects=rejects,
    )


def _summary(record: Record) -> dict[str, Any]:
    return {
        "scoring": record.identity.path,
        "predictions": ObjectVersion.model_validate(record.outputs["predictions"]).uri,
        "rows": record.evidence["rows"],
        "rejected": record.evidence.get("rejected", 0),
        "accuracy": record.evidence["accuracy"],
    }
