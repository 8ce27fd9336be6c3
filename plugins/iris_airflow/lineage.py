"""Tells Airflow's hook lineage what a task reads and writes, if somebody collects it.

OpenLineage's provider does, once a transport is configured. Otherwise nothing is computed or imported here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from iris_core.history.datasets import Dataset
    from iris_core.history.lineage import Reader
    from iris_core.ledger.workspace import Workspace

Result = TypeVar("Result")
log = logging.getLogger(__name__)

LINEAGE = "iris_lineage"
"""The key of a dataset in the content of the asset that stands for it."""

LONGEST_URI = 1_500
"""Most characters of an asset's URI; the exact address is in its content."""

_SCHEMES = {"s3": "x-minio", "models": "x-mlflow"}


@contextmanager
def telling(
    workspace: Workspace, function: Callable[..., Any], args: Sequence[Any]
) -> Iterator[Callable[[Result], Result]]:
    """Tell what a core function reads and writes: when it has a result, or when it ended in an error.

    :param workspace: the first argument of the function.
    :param function: the function of a task.
    :param args: its other arguments.
    :returns: a function that takes the result, and returns it.
    """
    if not is_collected():
        yield _unchanged
        return
    results: list[Any] = []

    def tell(result: Result) -> Result:
        results.append(result)
        _tell(workspace, function, args, result)
        return result

    try:
        yield tell
    except BaseException:
        if not results:
            _tell(workspace, function, args, None)
        raise


def is_collected() -> bool:
    """Whether a plugin reads hook lineage.

    `get_hook_lineage_collector` is not asked: even the one that collects nothing imports what all providers
    know of assets, which takes seconds.
    """
    from airflow.sdk.plugins_manager import get_hook_lineage_readers_plugins

    return bool(get_hook_lineage_readers_plugins())


def _unchanged(result: Result) -> Result:
    return result


def _tell(workspace: Workspace, function: Callable[..., Any], args: Sequence[Any], result: Any) -> None:
    from airflow.sdk.lineage import get_hook_lineage_collector

    from iris_airflow.hooks.minio import MinioHook
    from iris_core.history.lineage import Step

    collector, hook = get_hook_lineage_collector(), MinioHook()
    try:
        reader = readers().get(function)
        touched = reader(Step(workspace, args, result)) if reader else ()
        # A model version that scored a hundred objects is one input.
        for dataset, is_output in {(one.dataset.uri, one.is_output): one for one in touched}.values():
            add = collector.add_output_asset if is_output else collector.add_input_asset
            add(hook, uri=_uri(dataset), asset_extra={LINEAGE: _content(dataset, is_output)})
    except Exception:  # what is only told about a task must not fail it
        log.exception("Cannot tell what %s reads and writes.", function.__name__)


def _uri(dataset: Dataset) -> str:
    scheme, _, rest = dataset.uri.partition(":")
    return f"{_SCHEMES[scheme]}://{rest.lstrip('/')}"[:LONGEST_URI]


def _content(dataset: Dataset, is_output: bool) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(dataset), "is_output": is_output}


def readers() -> dict[Callable[..., Any], Reader]:
    """For each function that a task calls, what tells its lineage."""
    from iris_airflow import linked, steps
    from iris_core import monitoring, scoring, training
    from iris_core.history import lineage
    from iris_core.monitoring import retraining

    return {
        training.reconcile_training: lineage.of_reconciling,
        training.validate: lineage.of_validation,
        training.train: lineage.of_training,
        linked.register_model: lineage.of_promotion,
        scoring.plan_handed: lineage.of_planning,
        scoring.score_handed: lineage.of_scoring,
        linked.publish_scored: lineage.of_publication,
        monitoring.plan_reports: lineage.of_reports_planned,
        linked.report_drift: lineage.of_report,
        monitoring.conclude: lineage.of_conclusion,
        monitoring.join_labels: lineage.of_labels,
        steps.deliver_alerts: lineage.of_alerts,
        steps.keep_promises: lineage.of_alerts,
        retraining.request: lineage.of_request,
    }
