"""Everything that the page and `iris status` show of a project, read from ledger and store.

The number of requests depends on what is shown, not on the past: each kind's journal is listed from its
newest entries on, and only records that are shown are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from iris_core.ledger import KINDS, Kind, Outcome
from iris_core.ledger.workspace import Workspace
from iris_core.models.alias import aliased
from iris_core.overview.actions import SentAction, sent_actions
from iris_core.overview.drifting import DriftPoint, FeatureSeries, drift_points, feature_series
from iris_core.overview.hints import UploadHint, upload_hints
from iris_core.overview.labelled import LabelPoint, label_points
from iris_core.overview.loops import LoopTime, loop_times
from iris_core.overview.recent import LastLook, Recent
from iris_core.overview.refusals import Refusal, refusals
from iris_core.overview.replies import replies
from iris_core.overview.reply import Reply, Seen
from iris_core.overview.scorings import ScoredTable, scored_tables
from iris_core.overview.staged import (
    ModelDecision,
    StagedModel,
    WaitingModel,
    model_decisions,
    staged_model,
    staged_times,
    waiting_models,
)
from iris_core.overview.trace import Shown, Trace
from iris_core.overview.waiting import OwedNow, owed_now
from iris_core.settings.project import metric_label

USED = {Outcome.TRAINED, Outcome.SCORED, Outcome.MEASURED, Outcome.UNMATCHED}
"""Outcomes of decisions that used a table."""


class LoopPart(Shown):
    """A part of the loop: its last decision (None without any), and how many are owed."""

    name: str
    kind: Kind
    dag_id: str
    last: Trace | None
    owed: int


class Overview(Shown):
    """The state of a project. Lists are newest first, unless their type says otherwise.

    `replies` are to the questions that a reader comes with, `at` is the time that they are about.
    """

    project: str
    team: str
    environment: str
    model: str
    metric: str
    command: str
    at: datetime
    replies: tuple[Reply, ...]
    loop: tuple[LoopPart, ...]
    owed: OwedNow
    staged: StagedModel | None
    waiting: tuple[WaitingModel, ...]
    decisions: tuple[ModelDecision, ...]
    scorings: tuple[ScoredTable, ...]
    drift: tuple[DriftPoint, ...]
    features: tuple[FeatureSeries, ...]
    labels: tuple[LabelPoint, ...]
    refusals: tuple[Refusal, ...]
    actions: tuple[SentAction, ...]
    loops: tuple[LoopTime, ...]
    uploads: tuple[UploadHint, ...]


def overview(workspace: Workspace, now: datetime | None = None, last: LastLook | None = None) -> Overview:
    """Read the state of the workspace's project. Read-only.

    :param workspace: settings, store and ledger.
    :param now: the time that it is about; default: now.
    :param last: of this project; kept by who asks again.
    :raises StoreError: the store does not answer.
    """
    now, settings, ledger = now or datetime.now(UTC), workspace.settings, workspace.ledger
    with Recent(ledger, last or LastLook()) as recent:
        owed, staged, waiting = (
            owed_now(workspace, recent),
            staged_model(workspace, now),
            waiting_models(ledger),
        )
        tables, decided, refused = scored_tables(recent), model_decisions(recent), refusals(recent)
        points, records = drift_points(recent)
        loop = tuple(_loop(workspace, recent, owed))
        used = [Trace.of(one) for kind in KINDS for one in recent.read(recent.entries(kind, USED))]
        by_hand = 0 if staged else aliased(settings) or 0
        seen = Seen(staged, waiting, tables, points, refused, owed, used, decided, by_hand)
        units = {one.name: one.unit for one in settings.project.table.features}
        return Overview(
            project=settings.project.full_name if settings.further else settings.project.name,
            team=settings.team,
            environment=settings.platform_env,
            model=settings.names.model,
            metric=metric_label(settings.project.metric),
            command=settings.command,
            at=now,
            replies=tuple(replies(settings, seen, now)),
            loop=loop,
            owed=owed,
            staged=staged,
            waiting=tuple(waiting),
            decisions=tuple(decided),
            scorings=tuple(tables),
            drift=tuple(points),
            features=tuple(feature_series(records, units)),
            labels=tuple(label_points(recent)),
            refusals=tuple(refused),
            actions=tuple(sent_actions(recent)),
            loops=tuple(loop_times(tables, points, staged_times(decided))),
            uploads=tuple(upload_hints(settings)),
        )


def _loop(workspace: Workspace, recent: Recent, owed: OwedNow) -> Iterator[LoopPart]:
    names = workspace.settings.names
    parts: tuple[tuple[str, Kind, str, int], ...] = (
        ("train", "training", names.training_dag, owed.counts.get("training", 0)),
        ("stage", "promotion", names.training_dag, 0),
        ("score", "scoring", names.inference_dag, owed.counts.get("scoring", 0)),
        ("judge drift", "drift", names.drift_dag, owed.counts.get("drift", 0)),
        ("join labels", "performance", names.drift_dag, owed.counts.get("performance", 0)),
        ("alert and retrain", "action", names.drift_dag, 0),
    )
    for name, kind, dag_id, count in parts:
        last = next(recent.read(recent.entries(kind), 2), None)
        yield LoopPart(name=name, kind=kind, dag_id=dag_id, last=Trace.of(last) if last else None, owed=count)
