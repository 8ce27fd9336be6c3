"""From landed inference data to published predictions, once per object version and model version."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from iris_core import promotion, tracking
from iris_core.errors import DataRejected, DecidedElsewhere, NothingOwed, ObjectMissing
from iris_core.ledger import Committed, Identity, Record
from iris_core.promotion import ModelRef, loaded
from iris_core.reconcile import Pending, Source, supersede_older
from iris_core.reconcile import reconcile as reconcile_objects
from iris_core.storage import ObjectVersion
from iris_core.tables import batches, numbers
from iris_core.validation import validate_inference
from iris_core.workspace import Workspace

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

SCORED = "scored"
REJECTED = "rejected"
PREDICTION = "prediction"
MODEL_VERSION = "model_version"


class Work(BaseModel):
    """A scoring that is owed: one object version with one model version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    object: ObjectVersion
    identity: str
    model: ModelRef

    @property
    def key(self) -> Identity:
        return Identity.parse(self.identity)

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs as the ledger's record holds them."""
        return self.model_dump(mode="json", include={"object", "model"})


class Scored(BaseModel):
    """Counts of one scoring; `agreement` counts pairs (label, prediction) where there are labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    work: Work
    part: ObjectVersion | None
    rows: int
    classes: dict[str, int]
    agreement: dict[str, dict[str, int]]

    @property
    def accuracy(self) -> float | None:
        """Share of labelled rows that were predicted right; None without labels."""
        labelled = sum(sum(row.values()) for row in self.agreement.values())
        right = sum(row.get(label, 0) for label, row in self.agreement.items())
        return right / labelled if labelled else None


def source(workspace: Workspace) -> Source:
    """Where inference data lands."""
    return Source(workspace.settings.bucket, workspace.settings.test_key)


def plan(workspace: Workspace) -> list[Work]:
    """The scorings that are owed with the model that is staged now.

    :raises NothingOwed: no model is staged, or every landed version has its record.
    """
    model = promotion.staged(workspace)
    name = workspace.settings.names.model
    if model is None:
        raise NothingOwed(f"No version of {name} has the alias {promotion.ALIAS} yet: nothing to score with.")
    inputs = _model_input(model)
    tracking.reap_decided(workspace, workspace.settings.names.inference_experiment)
    found = reconcile_objects(workspace, "scoring", source(workspace), model.variant, inputs)
    _withdraw_all(workspace, model, found.superseded)
    if not found.owed:
        where = f"s3://{workspace.settings.bucket}/{workspace.settings.test_key}"
        raise NothingOwed(f"Everything at {where} has its record with {name} version {model.version}.")
    return [Work(object=item.object, identity=item.identity.path, model=model) for item in found.owed]


def score(workspace: Workspace, work: Work) -> Scored:
    """Score one object version into a part that `publish` makes visible.

    :raises DataRejected: the table cannot be scored; the rejection is recorded first.
    """
    if standing := workspace.ledger.get(work.key):
        return _already(work, standing)
    try:
        table = workspace.settings.project.table
        validate_inference(workspace.store.chunks(work.object), work.object.uri, table)
    except DataRejected as error:
        workspace.ledger.commit(
            work.key,
            REJECTED,
            workspace.actor,
            reason=str(error),
            inputs=work.inputs,
            evidence=error.evidence,
        )
        raise
    with loaded(workspace, work.model) as model:
        tally = Tally(workspace.settings.project.table.target)
        frames = _predicted(workspace, work, model, tally)
        bucket, key = workspace.settings.predictions_bucket, _part_key(workspace, work)
        part = workspace.store.put_stream(bucket, key, _csv(frames), "text/csv")
    return Scored(work=work, part=part, rows=tally.rows, classes=dict(tally.classes), agreement=tally.pairs())


def _already(work: Work, standing: Record) -> Scored:
    """Nothing to do but to let `publish` find the record."""
    if standing.outcome == REJECTED:
        raise DataRejected(standing.reason, standing.evidence)
    return Scored(work=work, part=None, rows=0, classes={}, agreement={})


@dataclass
class Tally:
    """Counts that add up while batches pass."""

    target: str
    rows: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    agreement: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, frame: pl.DataFrame) -> None:
        self.rows += frame.height
        predicted = frame[PREDICTION].to_list()
        self.classes.update(predicted)
        if self.target in frame.columns:
            labels = frame[self.target].str.strip_chars().to_list()
            self.agreement.update((a, b) for a, b in zip(labels, predicted, strict=True) if a)

    def pairs(self) -> dict[str, dict[str, int]]:
        """Counts by label, then by prediction."""
        table: dict[str, dict[str, int]] = {}
        for (label, predicted), count in sorted(self.agreement.items()):
            table.setdefault(label, {})[predicted] = count
        return table


def _predicted(
    workspace: Workspace, work: Work, model: ClassifierMixin, tally: Tally
) -> Iterator[pl.DataFrame]:
    names = list(workspace.settings.project.table.feature_names)
    for batch in batches(workspace.store.chunks(work.object), work.object.uri):
        features = numbers(batch.frame, names).to_pandas()
        frame = batch.frame.with_columns(
            pl.Series(PREDICTION, model.predict(features), dtype=pl.String),
            pl.lit(work.model.version).alias(MODEL_VERSION),
        )
        tally.add(frame)
        yield frame


def _csv(frames: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    for number, frame in enumerate(frames):
        yield frame.write_csv(include_header=number == 0).encode()


def publish(workspace: Workspace, scored: Scored) -> Record:
    """Make a scoring visible: predictions at a timestamped key, MLflow run, ledger record.

    The key's time is when object and model were both there, so that repeated work writes the same object.

    :raises DecidedElsewhere: another run published first; nothing of this one stays.
    """
    work, settings = scored.work, workspace.settings
    standing = workspace.ledger.get(work.key)
    if standing is None and scored.part is not None:
        predictions = workspace.store.copy(scored.part, settings.predictions_bucket, _key(workspace, work))
        run_id = _log(workspace, scored, predictions)
        committed = _commit(workspace, scored, predictions, run_id)
        tracking.settle(workspace, run_id, committed.won)
        standing = committed.record
        older = supersede_older(
            workspace, "scoring", source(workspace), work.object, work.model.variant, _model_input(work.model)
        )
        _withdraw_all(workspace, work.model, older)
    _withdraw(workspace, work, only_part=standing is not None and standing.outcome == SCORED)
    return _standing(work, standing)


def _model_input(model: ModelRef) -> dict[str, Any]:
    return {"model": model.model_dump(mode="json")}


def _withdraw_all(workspace: Workspace, model: ModelRef, superseded: Iterable[Pending]) -> None:
    for item in superseded:
        _withdraw(workspace, Work(object=item.object, identity=item.identity.path, model=model))


def _commit(workspace: Workspace, scored: Scored, predictions: ObjectVersion, run_id: str) -> Committed:
    return workspace.ledger.commit(
        scored.work.key,
        SCORED,
        workspace.actor,
        inputs=scored.work.inputs,
        outputs={"predictions": predictions.model_dump(mode="json"), "run_id": run_id},
        evidence={
            "rows": scored.rows,
            "classes": scored.classes,
            "agreement": scored.agreement,
            "accuracy": scored.accuracy,
        },
    )


def _withdraw(workspace: Workspace, work: Work, only_part: bool = False) -> None:
    """Delete the part of a scoring that is decided, and the predictions of one that was not to be."""
    bucket = workspace.settings.predictions_bucket
    keys = [_part_key(workspace, work)] + ([] if only_part else [_key(workspace, work)])
    for key in keys:
        with suppress(ObjectMissing):
            workspace.store.head(bucket, key)
            workspace.store.delete(bucket, key)


def _part_key(workspace: Workspace, work: Work) -> str:
    return f"work/{workspace.settings.platform_env}/{work.identity}.csv"


def _key(workspace: Workspace, work: Work) -> str:
    return f"{workspace.settings.predictions_prefix}/{_name(work)}.csv"


def _standing(work: Work, standing: Record | None) -> Record:
    if standing is None or standing.outcome != SCORED:
        outcome = standing.outcome if standing else "not scored"
        raise DecidedElsewhere(f"{work.object.uri} is {outcome}. {standing.reason if standing else ''}")
    return standing


def _name(work: Work) -> str:
    moment = work.object.landed_at.astimezone(UTC)
    return f"{moment:%Y%m%dT%H%M%SZ}-{work.object.digest[:8]}-{work.key.variant}"


def _log(workspace: Workspace, scored: Scored, predictions: ObjectVersion) -> str:
    import mlflow

    work, names = scored.work, workspace.settings.names
    tags = {**tracking.object_tags(work.object), "iris.model_version": str(work.model.version)}
    run_name = f"score {_name(work)}"
    with tracking.attempt(workspace, names.inference_experiment, run_name, work.identity, tags) as run_id:
        mlflow.log_params({"model": work.model.name, "model_version": work.model.version})
        metrics = {"rows": float(scored.rows)}
        metrics |= {f"share_{name}": count / scored.rows for name, count in scored.classes.items()}
        if scored.accuracy is not None:
            metrics["accuracy"] = scored.accuracy
        mlflow.log_metrics(metrics)
        tracking.log_dataset(work.object, "inference_data", "inference")
        with tempfile.TemporaryDirectory(prefix="iris-predictions-") as folder:
            path = workspace.store.download(predictions, folder)
            mlflow.log_artifact(path)
    return run_id


def publish_all(workspace: Workspace, results: Iterable[Scored]) -> list[dict[str, Any]]:
    """Publish what a run scored; what another run decided meanwhile is left to it.

    :raises NothingOwed: nothing is left to publish.
    """
    published = []
    for scored in results:
        with suppress(DecidedElsewhere):
            published.append(_summary(publish(workspace, scored)))
    if not published:
        raise NothingOwed("Nothing is left to publish: other runs decided about all of it.")
    return published


def _summary(record: Record) -> dict[str, Any]:
    return {
        "scoring": record.identity.path,
        "predictions": ObjectVersion.model_validate(record.outputs["predictions"]).uri,
        "rows": record.evidence["rows"],
        "accuracy": record.evidence["accuracy"],
    }
