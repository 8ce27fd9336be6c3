"""Connects a task with the core: opens the workspace, calls one function, translates its outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from pydantic import BaseModel

from iris_airflow.lineage import telling

if TYPE_CHECKING:
    from airflow.sdk import Asset, AssetAlias, Context

    from iris_core.ledger.look import Look
    from iris_core.ledger.portion import Portion
    from iris_core.ledger.workspace import Workspace

Rest = ParamSpec("Rest")
LEFT = "rest"
LEFT_OUT = "left_out"
LONGEST_NOTE = 4000

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=["iris_core.errors.StoreError", "iris_core.errors.RegistryError"],
            action=RetryAction.RETRY,
            reason="the store or MLflow did not answer; what is owed stays owed",
        ),
        RetryRule(
            exception=["iris_core.errors.AlertUndelivered"],
            action=RetryAction.RETRY,
            reason="a channel did not take an alert; what was delivered is not repeated",
        ),
        RetryRule(
            exception=["builtins.TypeError", "builtins.AttributeError", "builtins.NameError"],
            action=RetryAction.FAIL,
            reason="a mistake in the code: another try gives the same",
        ),
    ]
)

DEFAULT_ARGS: dict[str, Any] = {
    "retries": 6,
    "retry_delay": timedelta(seconds=5),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=1),
    "retry_policy": RETRY_POLICY,
}
"""Six retries with growing pauses outlast an outage of two minutes of the store or of MLflow."""


def run_step(
    project: str,
    function: Callable[Concatenate[Workspace, Rest], Any],
    *args: Rest.args,
    **kwargs: Rest.kwargs,
) -> Any:
    """Call a core function in the running task's name; return its result, shortened to 64 KB for an XCom.

    If nothing is owed, the task is skipped. Bad data, bad configuration and a refused model fail it without
    retry. Any other error (such as a store or a registry that does not answer) fails this try, and the task
    is retried.

    :param project: the project's name, as `Deployment.named` takes it.
    :param function: takes the workspace, then `args` and `kwargs`.
    """
    from airflow.sdk import get_current_context

    with outcomes():
        opened = workspace(get_current_context(), project)
        with telling(opened, function, args) as tell:
            return _fitting(_jsonable(tell(function(opened, *args, **kwargs))))


def look_of(project: str, *assets: Asset, staged: Asset | None = None) -> Look:
    """The look that the running task takes: at what its run's events of these assets name.

    A run that no event started looks at everything, and so does one with an event, of whatever asset, that
    does not name all it is about. Later events of the task's inlets count, too: of events that come together,
    Airflow 3.3 names only the first to the run that they start (3.4 names all).

    :param project: the project's name, as `Deployment.named` takes it.
    :param assets: the assets whose events name what this task decides about.
    :param staged: the asset whose events say that a model was staged.
    """
    from airflow.sdk import get_current_context

    from iris_core.ledger import look
    from iris_core.settings.variables import load_deployment

    context = get_current_context()
    is_event_run = context["dag_run"].run_type == "asset_triggered"
    if not is_event_run or load_deployment().named(project).looks == "everything":
        return look.EVERYTHING
    given = [event for found in context["triggering_asset_events"].values() for event in found]
    if not given:
        return look.EVERYTHING
    since = min(event.timestamp for event in given).isoformat()
    inlets = context["inlet_events"]
    later = [event for inlet in inlets for event in inlets[inlet].after(since)]
    events = ((event.asset.name, _content(event.extra)) for event in (*given, *later))
    wanted = [asset.name for asset in (*assets, staged) if asset]
    return look.look_of(events, wanted, staged.name if staged else "")


def _content(extra: dict[str, Any]) -> dict[str, Any]:
    """What an event says: Airflow wraps what a watcher's trigger sends, and not what a task sends."""
    sent = extra.get("payload") if extra.get("from_trigger") else extra
    return sent if isinstance(sent, dict) else {}


def run_portion(
    project: str, function: Callable[[Workspace, int, Look], Portion[Any]], look: Look
) -> list[Any]:
    """Call a core function that plans a portion of the owed work, of as many items as Airflow maps.

    The event that `rest_is_next` sends for what is left goes into an XCom.

    :param project: the project's name, as `Deployment.named` takes it.
    :param function: takes the workspace, the most items, and the look.
    :param look: what to look at.
    """
    from airflow.sdk import get_current_context
    from airflow.sdk.configuration import conf

    from iris_core.ledger.look import announced
    from iris_core.ledger.portion import MOST

    most = max(1, min(MOST, conf.getint("core", "max_map_length", fallback=1024) // 2))
    context = get_current_context()
    with outcomes():
        opened = workspace(context, project)
        with telling(opened, function, (most, look)) as tell:
            portion = tell(function(opened, most, look))
    if portion.left:
        context["ti"].xcom_push(key=LEFT, value={"why": "left by a run", **announced(portion.names)})
    return [_jsonable(item) for item in portion]


def rest_is_next(result: Any, planned_by: str, rest: AssetAlias, asset: Asset) -> Any:
    """Start the DAG again by its own asset, if this run did some of the owed work and left some.

    A run that did nothing does not reach this task, so the DAG cannot start itself for ever.

    :param result: the result of the running task.
    :param planned_by: the task that planned the portion.
    :param rest: an outlet of the running task, for an event that only some runs send.
    :param asset: the asset that starts the DAG.
    :returns: `result`.
    """
    from airflow.sdk import get_current_context

    context = get_current_context()
    if left := context["ti"].xcom_pull(task_ids=planned_by, key=LEFT):
        context["outlet_events"][rest].add(asset, extra=left)
    return result


def name_in_event(outlet: Asset, result: Any, key: str) -> Any:
    """Name what the running task made in the event of its outlet, with facts about it; return the result.

    :param outlet: the asset whose event it is.
    :param result: a result of `run_step`: content for each thing that was made, or of the only one.
    :param key: the key of its address or path.
    """
    from airflow.sdk import get_current_context

    from iris_airflow.facts import facts_of
    from iris_core.ledger.look import announced

    made = result if isinstance(result, list) else [result]
    named = [one for one in made if key in one]
    names = announced([one[key] for one in named], are_all=len(named) == len(made))
    get_current_context()["outlet_events"][outlet].extra = facts_of(named) | names
    return result


@contextmanager
def outcomes() -> Iterator[None]:
    """Translate the core's errors into Airflow's: skip the task, or fail it without retry."""
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    from iris_core.errors import ConfigError, DataRejected, GivenUp, ModelRefused, NothingOwed

    try:
        yield
    except NothingOwed as outcome:
        raise AirflowSkipException(str(outcome)) from outcome
    except (DataRejected, GivenUp, ConfigError, ModelRefused) as outcome:
        raise AirflowFailException(str(outcome)) from outcome


@contextmanager
def noted(context: Context) -> Iterator[None]:
    """Keep the reason of a skip as the task's XCom `note`, which the UI shows."""
    from airflow.sdk.exceptions import AirflowSkipException

    try:
        yield
    except AirflowSkipException as skipped:
        context["ti"].xcom_push(key="note", value=str(skipped)[:LONGEST_NOTE])
        raise


@dataclass(frozen=True)
class _Opened:
    """The workspace of a task, by the task instance and project that it was opened for."""

    task: Any
    project: str
    workspace: Workspace


_last: list[_Opened] = []
"""The one that was opened last: a task's listener uses the task's own."""


def workspace(context: Context, project: str) -> Workspace:
    """The workspace of the running task: settings of its project, the store from the connection.

    It is opened once for each task. From then on Airflow masks the settings' secrets in the task's log, as it
    masks the connection's.
    """
    task = context["ti"]
    for opened in _last:
        if opened.task is task and opened.project == project:
            return opened.workspace
    own = open_as(project, task.dag_id, task.run_id, task.task_id, task.try_number)
    _last[:] = [_Opened(task, project, own)]
    return own


def open_as(project: str, dag_id: str, run_id: str, task_id: str, try_number: int) -> Workspace:
    """The workspace of a project for what acts in a task's name; Airflow masks its secrets from now on."""
    from airflow.sdk.log import mask_secret

    from iris_airflow.hooks.minio import MinioHook
    from iris_airflow.measured import measured
    from iris_core.ledger import Actor
    from iris_core.ledger.audit import code_version
    from iris_core.ledger.workspace import open_workspace
    from iris_core.settings.masking import secrets_of
    from iris_core.settings.variables import load_deployment

    settings = load_deployment().named(project)
    for secret in secrets_of(settings):
        mask_secret(secret)
    actor = Actor(
        owner=settings.run_owner,
        dag_id=dag_id,
        run_id=run_id,
        task_id=task_id,
        try_number=try_number,
        code_version=code_version(settings),
    )
    return measured(open_workspace(settings, MinioHook().access(), actor))


def deliver_alerts(opened: Workspace) -> list[dict[str, Any]]:
    """Deliver the owed messages on the configured channels."""
    from iris_airflow.notifiers.channels import channels
    from iris_core.monitoring import alerts

    return alerts.deliver_owed(opened, channels(opened.settings))


def keep_promises(opened: Workspace) -> list[dict[str, Any]]:
    """Record what is later than promised, and deliver the owed messages about it."""
    from iris_airflow.measured import send_owed
    from iris_airflow.notifiers.channels import channels
    from iris_core.monitoring import late

    send_owed(opened, late.note_late(opened))
    return late.tell_late(opened, channels(opened.settings))


def _fitting(result: Any) -> Any:
    """A result shortened to what an XCom can hold; `LEFT_OUT` counts what is left out."""
    from iris_core.ledger.bounded import fitted

    content, left_out = fitted({"result": result})
    if not left_out:
        return result
    kept = content["result"]
    return [*kept, {LEFT_OUT: left_out}] if isinstance(kept, list) else {**kept, LEFT_OUT: left_out}


def _jsonable(result: Any) -> Any:
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json")
    if isinstance(result, list):
        return [_jsonable(item) for item in result]
    return result
