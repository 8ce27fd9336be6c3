"""Ledger against bucket, registry, runs, predictions and reports: what was lost, doubled, orphaned, or is not
the newest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from iris_core import labels, models, monitoring, promotion
from iris_core.ledger import KINDS, Kind, Outcome, Record
from iris_core.ledger.owed import unaccounted
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import ObjectRecord
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.source import Source
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs, tracking
from iris_core.store.versions import ObjectVersion
from tests.chaos.newest import Newest, newest_of_key, wrong_scoring, wrong_staging

Records = dict[Kind, list[Record]]
EFFECTS = frozenset({Outcome.TRAINED, Outcome.SCORED, Outcome.REJECTED, Outcome.FAILED})
"""Of these one for each version and what it is decided with; labels may be joined again."""


@dataclass
class Audit:
    """What is wrong, a sentence each, and how long each upload took to its decision (seconds)."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    wrong_newest: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.orphaned or self.wrong_newest)


def sources(workspace: Workspace) -> dict[Kind, Source]:
    """Where what lands is decided about."""
    settings = workspace.settings
    return {
        "training": Source(settings.bucket, settings.train_key),
        "scoring": Source(settings.bucket, settings.test_key),
        "performance": labels.labels_source(workspace),
    }


def audit(
    workspace: Workspace, acknowledged: dict[str, datetime], sound: Collection[str] = frozenset()
) -> Audit:
    """Account for everything that ever landed.

    :param acknowledged: when the store acknowledged each upload, by the object version's digest.
    :param sound: etags of uploads that every step must use.
    """
    found = Audit()
    records = {kind: list(workspace.ledger.recent(kind)) for kind in KINDS}
    seen: set[str] = set()
    newest: dict[Kind, list[Newest]] = {}
    for kind, source in sources(workspace).items():
        by_subject = _by_subject(records[kind])
        newest[kind] = []
        for _, versions in source.by_key(workspace.store):
            for item in versions:
                seen.add(item.object.digest)
                _account(found, kind, item.object, by_subject.get(item.object.digest, []), acknowledged)
            newest[kind].append(newest_of_key(versions, by_subject, sound))
    found.lost += [f"acknowledged, but not in the bucket: {digest}" for digest in acknowledged.keys() - seen]
    _check_newest(found, workspace, records, newest)
    _check_models(found, workspace, records)
    _check_predictions(found, workspace, records)
    _check_reports(found, workspace, records)
    _check_runs(found, workspace)
    return found


def _by_subject(records: list[Record]) -> dict[str, list[ObjectRecord]]:
    grouped: dict[str, list[ObjectRecord]] = {}
    for record in sorted(records, key=lambda record: record.at):
        if isinstance(record, ObjectRecord):
            grouped.setdefault(record.subject, []).append(record)
    return grouped


def _account(
    found: Audit,
    kind: Kind,
    version: ObjectVersion,
    records: list[ObjectRecord],
    acknowledged: dict[str, datetime],
) -> None:
    if not records:
        found.lost.append(f"{kind}: no record for {version.uri}")
        return
    effects = Counter(record.variant.base for record in records if record.outcome in EFFECTS)
    effects.subtract(record.variant.base for record in records if record.outcome == Outcome.REOPENED)
    found.doubled += [
        f"{kind}: {times} effects of {version.uri} with {variant}"
        for variant, times in effects.items()
        if times > 1
    ]
    joined = Counter(path for r in records if isinstance(r, MeasuredRecord) for path in r.inputs.scorings)
    found.doubled += [
        f"{version.uri} is joined {times} times to {path}" for path, times in joined.items() if times > 1
    ]
    first = records[0]
    found.outcomes[f"{kind} {first.outcome}"] += 1
    if version.digest in acknowledged:
        found.latencies.append((first.at - acknowledged[version.digest]).total_seconds())


def _check_newest(
    found: Audit, workspace: Workspace, records: Records, newest: dict[Kind, list[Newest]]
) -> None:
    found.wrong_newest += [
        f"{kind}: {one.wrong}" for kind, each in newest.items() for one in each if one.wrong
    ]
    staged = models.staged(workspace.settings)
    trained = next((one.made for one in newest["training"]), None)
    found.wrong_newest += wrong_staging(trained, records["promotion"], staged)
    landed = [one.version for one in newest["scoring"] if one.version]
    found.wrong_newest += wrong_scoring(landed, records["scoring"], staged)
    found.outcomes.update(f"promotion {record.outcome}" for record in records["promotion"])


def _check_models(found: Audit, workspace: Workspace, records: Records) -> None:
    client = tracking.client(workspace.settings)
    name = workspace.settings.names.model
    versions = client.search_model_versions(f"name = '{name}'")
    by_run = Counter(version.run_id for version in versions)
    found.doubled += [f"{times} model versions from run {run}" for run, times in by_run.items() if times > 1]
    trained = {record.run_id for record in records["training"] if isinstance(record, TrainedRecord)}
    found.orphaned += [f"model version of run {run}: no training record" for run in by_run.keys() - trained]
    judged = {record.subject for record in records["promotion"]}
    found.orphaned += [f"verdict on unknown run {run}" for run in judged - trained]
    if promotion.unfinished(workspace):
        found.orphaned.append("the newest trained model has no verdict, or one that was not carried out")
    staged = [int(version.version) for version in versions if version.current_stage == models.STAGE]
    alias = models.staged(workspace.settings)
    if staged != ([alias.version] if alias else []):
        found.doubled.append(f"staged are {staged}, the alias names {alias and alias.version}")


def _check_predictions(found: Audit, workspace: Workspace, records: Records) -> None:
    settings = workspace.settings
    there = set(workspace.store.keys(settings.predictions_bucket, settings.predictions_prefix))
    scored = (record for record in records["scoring"] if isinstance(record, ScoredRecord))
    recorded = Counter(record.outputs.predictions.key for record in scored)
    found.lost += [f"predictions {key} are recorded, but not there" for key in recorded.keys() - there]
    found.orphaned += [f"predictions {key} have no record" for key in there - recorded.keys()]
    found.doubled += [f"{times} records of predictions {key}" for key, times in recorded.items() if times > 1]


def _check_reports(found: Audit, workspace: Workspace, records: Records) -> None:
    scored = {r.identity.path for r in records["scoring"] if isinstance(r, ScoredRecord)}
    reported = Counter(r.inputs.scoring for r in records["drift"] if isinstance(r, BatchDriftRecord))
    found.lost += [f"no drift record of {path}" for path in scored - reported.keys()]
    found.orphaned += [f"a drift record of {path}, which is not there" for path in reported.keys() - scored]
    found.doubled += [f"{times} drift records of {path}" for path, times in reported.items() if times > 1]


def _check_runs(found: Audit, workspace: Workspace) -> None:
    client = tracking.client(workspace.settings)
    names = workspace.settings.names
    for name in (names.training_experiment, names.inference_experiment, names.drift_experiment):
        experiment = client.get_experiment_by_name(name)
        runs = client.search_runs([experiment.experiment_id], max_results=5000) if experiment else []
        found.orphaned += [
            f"{name}: run {run.info.run_id} is still RUNNING" for run in runs if run.info.status == "RUNNING"
        ]
        committed = Counter(
            run.data.tags[mlflow_runs.IDENTITY_TAG]
            for run in runs
            if run.data.tags.get(mlflow_runs.COMMIT_TAG) == "committed"
        )
        found.doubled += [
            f"{name}: {times} runs committed {what}" for what, times in committed.items() if times > 1
        ]


def owed(workspace: Workspace) -> str:
    """What is not done yet, in a few words; empty when nothing is."""
    for kind, source in sources(workspace).items():
        left = len(list(unaccounted(workspace.store, workspace.ledger, kind, source)))
        if left:
            return f"{left} versions await {kind}"
    if promotion.unfinished(workspace):
        return "a promotion is unfinished"
    unreported = len(monitoring.unreported(workspace))
    return f"{unreported} scorings await a drift verdict" if unreported else ""
