"""Airflow's own deadlines beside promised times: runs that events start must end within `VERDICT_WITHIN`."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.configuration import conf
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import BaseDeadlineReference, DeadlineAlert

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from iris_core.settings.variables import Settings

log = logging.getLogger(__name__)

TASK_ID = "deadline"
"""Stands for the task's id in records that a missed deadline makes."""


EXECUTORS = ("LocalExecutor", "CeleryExecutor")
"""Those that run callbacks. A missed deadline would stop the scheduler of any other, so it has none."""


class EventRunQueuedAt(BaseDeadlineReference):
    """When a run was queued that an event started.

    Other runs have no deadline: nothing was promised to anybody, and a daily run may wait a day for its first
    object.
    """

    required_kwargs = frozenset({"dag_id", "run_id"})

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str) -> datetime | None:
        """When the run was queued; None if no event started it. The scheduler asks when it makes a run."""
        from airflow.models import DagRun
        from airflow.utils.types import DagRunType
        from sqlalchemy import select

        run = select(DagRun.queued_at).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        return session.scalar(run.where(DagRun.run_type == DagRunType.ASSET_TRIGGERED))


def promised(settings: Settings) -> DeadlineAlert | None:
    """The deadline of a project's runs; None where nothing is promised, or where no callback could run.

    :param settings: the project.
    """
    if settings.verdict_within is None or not _runs_callbacks():
        return None
    return DeadlineAlert(
        name="VERDICT_WITHIN",
        reference=EventRunQueuedAt(),
        interval=settings.verdict_within,
        callback=SyncCallback(missed, kwargs={"project": settings.project.full_name}),
    )


def _runs_callbacks() -> bool:
    """Whether the first executor, which is the default one, runs callbacks."""
    first = conf.get("core", "executor").split(",")[0]
    return first.strip().rpartition(".")[2] in EXECUTORS


def missed(project: str, context: dict[str, Any]) -> None:
    """Look for what is late, as the DAG of promised times does, and tell what nobody told yet.

    It runs in an executor, without a task, so it needs neither a free slot in a pool nor the triggerer.

    :param project: the project's name, as `Deployment.named` takes it.
    :param context: the run, as Airflow describes it.
    """
    from iris_airflow.steps import keep_promises, open_as
    from iris_core.errors import NothingOwed

    run = context["dag_run"]
    opened = open_as(project, run["dag_id"], run["dag_run_id"], TASK_ID, try_number=1)
    try:
        for told in keep_promises(opened):
            log.warning("Told on %s: %s", told["channel"], told["title"])
    except NothingOwed as nothing:
        log.info("The run %s is late: %s", run["dag_run_id"], nothing)
