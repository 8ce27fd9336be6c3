"""From a scoring to a drift verdict: compares the scored batch with the model's training data, once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from iris_core.drift.debounce import Debounced
from iris_core.drift.known import Earlier, Known, Rejected
from iris_core.drift.performance import Answered
from iris_core.drift.sides import compare, read_side
from iris_core.drift.spread import LEARNT_FROM, Spread, learnt_spread
from iris_core.drift.thresholds import SEVERITIES
from iris_core.drift.verdict import DriftVerdict
from iris_core.errors import DataRejected, DecidedElsewhere, IrisError, NothingOwed, ObjectMissing
from iris_core.ledger import Identity, IdentityField, ModelRef
from iris_core.ledger.look import EVERYTHING, Look
from iris_core.ledger.portion import MOST, Portion
from iris_core.ledger.records.drift import BatchDriftRecord, Undecided
from iris_core.ledger.records.objects import FailedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.tries import Tried, one_try, standing_or_next
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs, tracking
from iris_core.models.profile import learnt_profile
from iris_core.monitoring import performance, verdicts
from iris_core.monitoring.metrics import drift_metrics, log_history
from iris_core.monitoring.reported import settle_reported
from iris_core.settings.variables import Settings
from iris_core.tables import StoredInput

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from iris_core.drift.evidently_report import EvidentlyReport


def plan_reports(workspace: Workspace, most: int = MOST, look: Look = EVERYTHING) -> Portion[str]:
    """Settle MLflow runs that killed attempts left, and list the scorings to report on, oldest first.

    :param most: the most scorings; the rest is left for the next run.
    :param look: the scorings to look at, named by the paths of their records.
    :returns: paths of the scorings' records.
    :raises NothingOwed: every scoring has its drift record.
    """
    with mlflow_runs.runs_settled(workspace, workspace.settings.names.drift_experiment):
        owed = settle_reported(workspace) if look.named is None else _unreported_of(workspace, look.named)
    if not owed:
        raise NothingOwed("Every scoring has its drift record.")
    return Portion(owed[:most], max(len(owed) - most, 0), owed[most:])


def _unreported_of(workspace: Workspace, named: Iterable[str]) -> list[str]:
    """Those of the named scorings that have no drift record, oldest first. Read-only."""
    ledger = workspace.ledger
    scored = [record for path in named if (record := ledger.find(ScoredRecord, path))]
    owed = [
        record
        for record in scored
        if standing_or_next(ledger, Identity.of_drift(record.identity, record.at))[0] is None
    ]
    return [record.identity.path for record in sorted(owed, key=lambda record: record.at)]


def report(workspace: Workspace, scoring: str) -> dict[str, Any]:
    """Report on one scoring: write statistics, Evidently's JSON and HTML, an MLflow run and a ledger record.

    :param scoring: the path of its record.
    :returns: severity, sentence, and the addresses of report and statistics, empty where there are none.
    :raises DecidedElsewhere: there is no such scoring.
    :raises TryFailed: an unforeseen error ended the report; the try is noted, or recorded as failed.
    """
    scored = workspace.ledger.find(ScoredRecord, scoring)
    if scored is None:
        raise DecidedElsewhere(f"{scoring} is not the record of a scoring.")
    standing, identity = standing_or_next(workspace.ledger, Identity.of_drift(scored.identity, scored.at))
    if isinstance(standing, BatchDriftRecord):
        return _report_summary(standing)
    if isinstance(standing, FailedRecord):
        raise standing.as_error()
    inputs = FailedRecord.Inputs.of(scored.about, scored.model)
    with one_try(workspace, Tried(identity, inputs)):
        return _report_summary(_decide(workspace, scored, identity))


def _decide(workspace: Workspace, scored: ScoredRecord, identity: Identity) -> BatchDriftRecord:
    training = _training_of(workspace, scored.model)
    if isinstance(training, str):
        return _record_undecided(workspace, scored, identity, training)
    try:
        return _compare(workspace, scored, identity, training)
    except (ObjectMissing, DataRejected) as error:
        return _record_undecided(workspace, scored, identity, f"Nothing to compare. {error}")


def _training_of(workspace: Workspace, model: ModelRef) -> TrainedRecord | str:
    """The record of a model's training, or the reason why there is none."""
    if not model.training:
        return f"{model.name} version {model.version} was registered by hand: its training data is unknown."
    training = workspace.ledger.find(TrainedRecord, model.training)
    return training or f"The training record {model.training} is gone."


def _record_undecided(
    workspace: Workspace, scored: ScoredRecord, identity: Identity, why: str
) -> BatchDriftRecord:
    """Record `insufficient`, which never alerts: there is no batch, or nothing to compare it with."""
    record = BatchDriftRecord(
        identity=identity,
        outcome="insufficient",
        by=workspace.actor,
        reason=why,
        inputs=_inputs(scored),
        evidence=Undecided(sentence=why),
    )
    return workspace.ledger.commit(record).standing(BatchDriftRecord)


def _inputs(scored: ScoredRecord) -> BatchDriftRecord.Inputs:
    return BatchDriftRecord.Inputs(scoring=scored.identity.path, current=scored.about, model=scored.model)


def _compare(
    workspace: Workspace, scored: ScoredRecord, identity: Identity, training: TrainedRecord
) -> BatchDriftRecord:
    profile = learnt_profile(workspace, training, scored.model)
    table = profile.table(workspace.settings.project.table)
    after = read_side(StoredInput(workspace.store, scored.outputs.predictions), table)
    earlier = verdicts.earlier(workspace, identity, scored.about, scored.model)
    known = _known(workspace, scored, earlier, profile.weights)
    base = f"{workspace.settings.drift_prefix}/{_name(scored)}"
    with ThreadPoolExecutor(3) as beside:
        # MLflow's server makes the run while Evidently draws; then store and server take all side by side.
        compared = beside.submit(compare, profile.side(table), after, table, known)
        with mlflow_runs.attempt(workspace, _run_of(workspace, scored, identity)) as run_id:
            verdict, tested = compared.result()
            files = _files(verdict, tested)
            stored = beside.submit(_put_files, workspace, base, files)
            history = beside.submit(log_history, workspace, scored, verdict)
            mlflow_client = tracking.client(workspace.settings)
            logged = beside.submit(_log_verdict, mlflow_client, run_id, verdict)
            for file, body in files.items():
                mlflow_client.log_text(run_id, body.decode(), file)
            logged.result()
    uris = stored.result()
    record = BatchDriftRecord(
        identity=identity,
        outcome=verdict.severity,
        by=workspace.actor,
        reason=verdict.sentence,
        inputs=_inputs(scored).model_copy(update={"reference": training.about}),
        outputs=BatchDriftRecord.Outputs(
            report_html=uris["report.html"],
            report_json=uris["report.json"],
            statistics=uris["statistics.json"],
            run_id=run_id,
            history_run_id=history.result(),
        ),
        evidence=BatchDriftRecord.Evidence(
            **verdict.shortened().model_dump(mode="json"),
            spread=spread_of(workspace.settings, earlier),
            debounce=verdicts.debounced_now(workspace, identity, scored.about, scored.model, verdict),
        ),
    )
    return workspace.ledger.commit(record).standing(BatchDriftRecord)


def _known(
    workspace: Workspace, scored: ScoredRecord, earlier: Sequence[Earlier], weights: dict[str, float] | None
) -> Known:
    """What the ledger knows of the batch and its model.

    :param scored: the record of the scoring.
    :param earlier: the model's earlier batches, oldest first.
    :param weights: weights of the model's features; None if the model has none.
    """
    holdout = performance.holdout_answers(workspace, scored.model)
    return Known(
        weights=weights or {},
        holdout=holdout if isinstance(holdout, Answered) else None,
        rejected=Rejected.of_faults(scored.evidence.rejected, scored.evidence.faults),
        earlier=earlier,
        spread=spread_of(workspace.settings, earlier).value,
    )


def spread_of(settings: Settings, earlier: Sequence[Earlier]) -> Spread:
    """The spread of batches beyond chance: learnt if this is asked for and possible, else as declared.

    A learnt spread stays: `earlier` holds a limited number of batches, and drift among them must not count as
    spread.

    :param settings: whether to learn, and the declared spread.
    :param earlier: the model's earlier batches, oldest first.
    """
    declared = Spread(value=settings.drift_batch_spread)
    if not settings.drift_learn_spread:
        return declared
    if earlier and earlier[-1].spread.is_settled:
        return earlier[-1].spread
    learnt = learnt_spread([batch.scores for batch in earlier])
    return declared if learnt is None else Spread(value=learnt, batches=min(len(earlier), LEARNT_FROM))


def _files(verdict: DriftVerdict, tested: EvidentlyReport) -> dict[str, bytes]:
    statistics = verdict.model_dump(mode="json", include={"severity", "sentence", "reference", "current"})
    return {
        "report.html": tested.html.encode(),
        "report.json": json.dumps(tested.json).encode(),
        "statistics.json": json.dumps(statistics, indent=1).encode(),
    }


def _put_files(workspace: Workspace, base: str, files: Mapping[str, bytes]) -> dict[str, str]:
    """Store files below a key; return the address of each."""
    return {name: _put_file(workspace, f"{base}/{name}", body) for name, body in files.items()}


def _put_file(workspace: Workspace, key: str, body: bytes) -> str:
    content_type = "text/html; charset=utf-8" if key.endswith(".html") else "application/json"
    return workspace.store.put(workspace.settings.drift_bucket, key, body, content_type).uri


def _name(scored: ScoredRecord) -> str:
    return f"{scored.at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{scored.subject[:8]}-{scored.variant}"


def _run_of(workspace: Workspace, scored: ScoredRecord, identity: Identity) -> mlflow_runs.NewRun:
    tags = {"iris.scoring": scored.identity.path}
    return mlflow_runs.NewRun(
        workspace.settings.names.drift_experiment, f"drift {_name(scored)}", identity, tags
    )


def _log_verdict(mlflow_client: MlflowClient, run_id: str, verdict: DriftVerdict) -> None:
    told = {"iris.severity": verdict.severity, "mlflow.note.content": verdict.sentence}
    mlflow_runs.log_batch(mlflow_client, run_id, dict(drift_metrics(verdict)), tags=told)


def _report_summary(record: BatchDriftRecord) -> dict[str, Any]:
    return {
        "verdict": record.identity.path,
        "scoring": record.inputs.scoring,
        "severity": record.outcome,
        "sentence": record.reason,
        "report": record.report,
        "statistics": record.outputs.statistics,
    }


class _Told(BaseModel):
    """The part of a result of `report` that is needed after its way through XCom."""

    verdict: IdentityField


def conclude(workspace: Workspace, reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The worst report of a run, for XCom and the asset event; a report that alerts is worse than any other.

    :raises IrisError: no report was made.
    """
    with mlflow_runs.runs_settled(workspace, workspace.settings.names.drift_experiment):
        made = {_Told(**report).verdict: report for report in reports}
        if not made:
            raise IrisError("No report was made.")
        near = verdicts.near(workspace.settings, workspace.ledger, made)
    states = {record.identity: state for record, state in verdicts.with_debounce(workspace.settings, near)}
    told = [{**report, **_alert_state(states.get(identity))} for identity, report in made.items()]
    ranked = sorted(told, key=lambda item: (item["alert"], SEVERITIES.index(item["severity"])))
    return {**ranked[-1], "reports": len(ranked), "owner": workspace.actor.owner}


def _alert_state(state: Debounced | None) -> dict[str, Any]:
    if state is None:
        return {"alert": False, "violations": 0, "batches": 0}
    return {"alert": state.alert, "violations": state.violations, "batches": state.seen}
