"""From a scoring to a drift verdict: compare what was scored with what the model was trained on, once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import TYPE_CHECKING, Any

import polars as pl

from iris_core import tracking
from iris_core.drift.evidently_report import evidently_report
from iris_core.drift.sample import bounded_sample
from iris_core.drift.statistics import TableStatistics, of_batches
from iris_core.drift.thresholds import SEVERITIES
from iris_core.drift.verdict import DriftVerdict, judge
from iris_core.errors import DecidedElsewhere, IrisError, NothingOwed, ObjectMissing
from iris_core.ledger import Identity, Record
from iris_core.promotion import ModelRef
from iris_core.scoring import PREDICTION, loaded
from iris_core.scoring.published import text_frames
from iris_core.storage import ObjectVersion
from iris_core.tables import numbers
from iris_core.workspace import Workspace

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

    from iris_core.drift.evidently_report import EvidentlyReport

SAMPLE_ROWS = 50_000
SEED = 7
INSUFFICIENT = "insufficient"


@dataclass(frozen=True)
class Compared:
    """One side's exact statistics over all rows, and its bounded sample with predictions."""

    statistics: TableStatistics
    sample: pl.DataFrame


def identity_of(moment: date, subject: str, variant: str) -> Identity:
    """The identity of the drift verdict on a scoring that was decided on the day `moment`."""
    return Identity("drift", moment, f"{subject}-{variant}", "verdict")


def unreported(workspace: Workspace) -> list[str]:
    """Paths of the scorings without a drift record, oldest first.

    :raises NothingOwed: every scoring has one.
    """
    tracking.reap_decided(workspace, workspace.settings.names.drift_experiment)
    days: dict[date, set[str]] = {}
    owed: list[str] = []
    for moment, outcome, identity in workspace.ledger.journal("scoring"):
        if outcome != "scored":
            continue
        day = date.fromisoformat(moment[:10])
        reported = days.setdefault(day, workspace.ledger.subjects_on("drift", day))
        wanted = identity_of(day, identity.subject, identity.variant)
        if wanted.subject not in reported and _stands(workspace, identity, wanted.day):
            owed.append(identity.path)
    if not owed:
        raise NothingOwed("Every scoring has its drift record.")
    return owed[::-1]


def _stands(workspace: Workspace, identity: Identity, day: date) -> bool:
    record = workspace.ledger.get(identity)
    return record is not None and record.outcome == "scored" and record.at.date() == day


def report(workspace: Workspace, scoring: str) -> dict[str, Any]:
    """Report on one scoring: statistics, Evidently's JSON and HTML, MLflow run, ledger record.

    :returns: severity, sentence, and where the report lies.
    :raises DecidedElsewhere: there is no such scoring.
    """
    scored = workspace.ledger.get(Identity.parse(scoring))
    if scored is None or scored.outcome != "scored":
        raise DecidedElsewhere(f"{scoring} is not the record of a scoring.")
    identity = identity_of(scored.at.astimezone(UTC).date(), scored.subject, scored.variant)
    standing = workspace.ledger.get(identity)
    return _summary(standing or _decide(workspace, scored, identity))


def _decide(workspace: Workspace, scored: Record, identity: Identity) -> Record:
    reference = _reference(workspace, scored)
    if isinstance(reference, str):
        return _without_reference(workspace, scored, identity, reference)
    try:
        return _compare(workspace, scored, identity, reference)
    except ObjectMissing as error:
        return _without_reference(workspace, scored, identity, str(error))


def _reference(workspace: Workspace, scored: Record) -> ObjectVersion | str:
    """What the scored model was trained on, or why that is not known."""
    model = ModelRef.model_validate(scored.inputs["model"])
    if not model.training:
        return f"{model.name} version {model.version} was registered by hand: its training data is unknown."
    training = workspace.ledger.get(Identity.parse(model.training))
    return training.object() if training else f"The training record {model.training} is gone."


def _without_reference(workspace: Workspace, scored: Record, identity: Identity, why: str) -> Record:
    return workspace.ledger.commit(
        identity,
        INSUFFICIENT,
        workspace.actor,
        reason=why,
        inputs={"scoring": scored.identity.path, "current": scored.outputs["predictions"]},
        evidence={"sentence": why},
    ).record


def _compare(workspace: Workspace, scored: Record, identity: Identity, reference: ObjectVersion) -> Record:
    predictions = ObjectVersion.model_validate(scored.outputs["predictions"])
    table = workspace.settings.project.table
    model_ref = ModelRef.model_validate(scored.inputs["model"])
    with loaded(workspace, model_ref) as model:
        before = _compared(workspace, reference, model)
        weights = feature_weights(model, table.feature_names)
    after = _compared(workspace, predictions, None)
    tested = _tested(before, after, table.feature_names, table.target)
    units = {feature.name: feature.unit for feature in table.features}
    verdict = judge(before.statistics, after.statistics, units, tested, weights)
    base = f"{workspace.settings.drift_prefix}/{_name(scored)}"
    files = _files(verdict, tested)
    uris = {name: _store(workspace, f"{base}/{name}", body) for name, body in files.items()}
    run_id = _log(workspace, scored, identity, verdict, files)
    committed = workspace.ledger.commit(
        identity,
        verdict.severity,
        workspace.actor,
        reason=verdict.sentence,
        inputs={
            "scoring": scored.identity.path,
            "reference": reference.model_dump(mode="json"),
            "current": scored.inputs["object"],
            "model": scored.inputs["model"],
        },
        outputs={
            "report_html": uris["report.html"],
            "report_json": uris["report.json"],
            "statistics": uris["statistics.json"],
            "run_id": run_id,
        },
        evidence=verdict.model_dump(mode="json"),
    )
    tracking.settle(workspace, run_id, committed.won)
    return committed.record


def _compared(workspace: Workspace, version: ObjectVersion, model: ClassifierMixin | None) -> Compared:
    names = workspace.settings.project.table.feature_names
    statistics = of_batches((frame for frame in _frames(workspace, version)), names)
    sample = bounded_sample(_frames(workspace, version), SAMPLE_ROWS, SEED)
    if model is not None:
        predicted = model.predict(sample.select(names).to_pandas())
        sample = sample.with_columns(pl.Series(PREDICTION, predicted, dtype=pl.String))
    return Compared(statistics, sample)


def _frames(workspace: Workspace, version: ObjectVersion) -> Iterator[pl.DataFrame]:
    table = workspace.settings.project.table
    for frame in text_frames(workspace.store, version):
        carried = [name for name in (table.target, PREDICTION) if name in frame.columns]
        yield numbers(frame, table.feature_names).hstack(frame.select(carried))


def _tested(before: Compared, after: Compared, names: Sequence[str], target: str) -> EvidentlyReport:
    labelled = target in before.sample.columns and target in after.sample.columns
    return evidently_report(
        before.sample,
        after.sample,
        names,
        prediction=PREDICTION,
        label=target if labelled else None,
        sample_rows=SAMPLE_ROWS,
        seed=SEED,
    )


def feature_weights(model: ClassifierMixin, names: Sequence[str]) -> Mapping[str, float] | None:
    """How much each feature moves a linear model: the mean of its coefficients' absolute values.

    None for a model without coefficients. After a scaler they are comparable between features.
    """
    last = model[-1] if hasattr(model, "steps") else model
    coefficients = getattr(last, "coef_", None)
    if coefficients is None or coefficients.shape[1] != len(names):
        return None
    return dict(zip(names, abs(coefficients).mean(axis=0).tolist(), strict=True))


def _files(verdict: DriftVerdict, tested: EvidentlyReport) -> dict[str, bytes]:
    statistics = verdict.model_dump(mode="json", include={"severity", "sentence", "reference", "current"})
    return {
        "report.html": tested.html.encode(),
        "report.json": json.dumps(tested.json).encode(),
        "statistics.json": json.dumps(statistics, indent=1).encode(),
    }


def _store(workspace: Workspace, key: str, body: bytes) -> str:
    content_type = "text/html; charset=utf-8" if key.endswith(".html") else "application/json"
    return workspace.store.put(workspace.settings.drift_bucket, key, body, content_type).uri


def _name(scored: Record) -> str:
    return f"{scored.at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{scored.subject[:8]}-{scored.variant}"


def _log(
    workspace: Workspace,
    scored: Record,
    identity: Identity,
    verdict: DriftVerdict,
    files: Mapping[str, bytes],
) -> str:
    import mlflow

    name = workspace.settings.names.drift_experiment
    tags = {"iris.severity": verdict.severity, "iris.scoring": scored.identity.path}
    with tracking.attempt(workspace, name, f"drift {_name(scored)}", identity.path, tags) as run_id:
        mlflow.log_metrics(dict(_metrics(verdict)))
        mlflow.set_tag("mlflow.note.content", verdict.sentence)
        for file, body in files.items():
            mlflow.log_text(body.decode(), file)
    return run_id


def _metrics(verdict: DriftVerdict) -> Iterator[tuple[str, float]]:
    yield "severity", _rank(verdict.severity) - _rank("none")
    for test in verdict.evidently:
        if test.value is not None:
            yield f"evidently/{test.column}", float(test.value)
    for side, statistics in (("reference", verdict.reference), ("current", verdict.current)):
        for column, known in statistics.items():
            for name in ("mean", "std", "min", "max"):
                value = getattr(known, name)
                if value is not None:
                    yield f"{side}/{column}/{name}", float(value)


def _summary(record: Record) -> dict[str, Any]:
    return {
        "scoring": record.inputs["scoring"],
        "severity": record.outcome,
        "sentence": record.reason,
        "report": record.outputs.get("report_html", ""),
    }


def worst(workspace: Workspace, reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The worst report of a run: what its asset event carries."""
    ranked = sorted(reports, key=lambda item: _rank(str(item["severity"])))
    if not ranked:
        raise IrisError("No report was made.")
    return {**ranked[-1], "reports": len(ranked), "owner": workspace.actor.owner}


def _rank(severity: str) -> float:
    return float(SEVERITIES.index(severity))
