"""Operators and the seam to the core: each calls one function and hands on a small result."""

from __future__ import annotations

import inspect
import json
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from airflow.sdk import Asset, BaseOperator, Context, get_current_context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.comms import AssetEventDagRunReferenceResult
from airflow.sdk.execution_time.context import TriggeringAssetEventsAccessor

from iris_airflow import steps
from iris_airflow.operators.evidently_drift_report import EvidentlyDriftReportOperator
from iris_airflow.operators.mlflow_register_model import MlflowRegisterModelOperator
from iris_airflow.steps import look_of, outcomes, run_step
from iris_core import models, monitoring, promotion, training
from iris_core.errors import (
    ConfigError,
    DataRejected,
    DecidedElsewhere,
    ModelRefused,
    NothingOwed,
    PromotionRefused,
    StoreError,
)
from iris_core.ledger.look import EVERYTHING, Look, announced
from iris_core.ledger.workspace import Workspace
from tests.loop import score_owed

# skops asks every loaded module for every ufunc's name; Airflow's answer with a warning each.
pytestmark = pytest.mark.filterwarnings("ignore:The .airflow")

OPERATORS: tuple[type[BaseOperator], ...] = (MlflowRegisterModelOperator, EvidentlyDriftReportOperator)
STAGED = Asset("staged_model", uri="x-mlflow://a_model/staging")
Running = Callable[..., AbstractContextManager[Context]]


@pytest.mark.parametrize("operator", OPERATORS)
class TestEach:
    def test_every_argument_is_a_template_and_an_attribute(self, operator: type[BaseOperator]) -> None:
        own = [
            name
            for name, parameter in inspect.signature(operator.__init__).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        ]
        assert own
        assert list(operator.template_fields) == own
        values: dict[str, Any] = {name: f"{name} value" for name in own}
        made = operator(task_id="t", **values)
        assert [getattr(made, name) for name in own] == [f"{name} value" for name in own]

    def test_execute_is_short(self, operator: type[BaseOperator]) -> None:
        assert len(inspect.getsource(operator.execute).splitlines()) <= 15


class TestSteps:
    @pytest.mark.parametrize(
        ("outcome", "translated"),
        [
            (NothingOwed, AirflowSkipException),
            (PromotionRefused, AirflowSkipException),
            (DecidedElsewhere, AirflowSkipException),
            (DataRejected, AirflowFailException),
            (ConfigError, AirflowFailException),
            (ModelRefused, AirflowFailException),
            (StoreError, StoreError),
            (ZeroDivisionError, ZeroDivisionError),
        ],
    )
    def test_outcomes(self, outcome: type[Exception], translated: type[Exception]) -> None:
        with pytest.raises(translated, match="the sentence") as caught, outcomes():
            raise outcome("the sentence")
        assert type(caught.value) is translated

    @pytest.mark.integration
    def test_it_acts_in_the_running_tasks_name(self, workspace: Workspace, running: Running) -> None:
        with running(workspace):
            actor = run_step("", lambda opened: opened.actor)
        assert actor["owner"] == "jane.doe"
        assert [actor[name] for name in ("dag_id", "run_id", "task_id", "try_number")] == [
            "a_dag",
            "manual__7",
            "a_task",
            3,
        ]

    @pytest.mark.integration
    def test_a_task_and_its_listener_share_a_workspace_and_the_next_task_has_its_own(
        self, workspace: Workspace, running: Running
    ) -> None:
        opened = []
        for _ in range(2):
            with running(workspace):
                context = get_current_context()
                opened += [steps.workspace(context, ""), steps.workspace(Context(ti=context["ti"]), "")]
        assert opened[0] is opened[1]
        assert opened[2] is opened[3]
        assert opened[1] is not opened[2]

    @pytest.mark.integration
    def test_the_tasks_log_masks_its_secrets(
        self, workspace: Workspace, running: Running, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from airflow.sdk._shared.secrets_masker import _secrets_masker

        monkeypatch.setenv("DRIFT_ALERT_WEBHOOK", "https://alerts.example.org/hook?token=planted")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "planted-password")
        with running(workspace):
            run_step("", lambda opened: None)
        logged = _secrets_masker().redact("POST /hook?token=planted by iris:planted-password")
        assert logged == "POST *** by iris:***"

    @pytest.mark.integration
    def test_results_can_be_an_xcom(self, workspace: Workspace, running: Running) -> None:
        with running(workspace):
            result = run_step("", lambda opened: [opened.actor, opened.actor])
        assert json.loads(json.dumps(result)) == result

    @pytest.mark.integration
    def test_a_connection_without_endpoint_is_told(
        self, workspace: Workspace, running: Running, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with running(workspace):
            monkeypatch.setenv("AIRFLOW_CONN_MINIO_DEFAULT", '{"conn_type": "aws", "login": "somebody"}')
            with pytest.raises(AirflowFailException, match="Connection minio_default needs"):
                run_step("", lambda opened: None)


class Later(list[Any]):
    """The events of an inlet, as Airflow's accessor gives them."""

    def after(self, since: str) -> list[Any]:
        return [event for event in self if event.timestamp.isoformat() >= since]


@pytest.mark.integration
class TestLook:
    """What the running task looks at, by Airflow's own mapping of the events that started its run."""

    LANDED, STAGED = Asset("landed", uri="x-minio://b/in"), Asset("staged", uri="x-mlflow://m/staging")

    def look(
        self,
        running: Running,
        workspace: Workspace,
        *events: tuple[Asset, Any],
        by: str = "",
        missed: bool = False,
    ) -> Look:
        told = [
            AssetEventDagRunReferenceResult.model_validate(
                {
                    "asset": {"name": asset.name, "uri": asset.uri, "extra": {}},
                    "extra": extra,
                    "source_aliases": [{"name": "landed_rest"}],
                    "source_task_id": None,
                    "source_dag_id": None,
                    "source_run_id": None,
                    "source_map_index": -1,
                    "timestamp": "2026-11-01T00:00:00Z",
                }
            )
            for asset, extra in events
        ]
        more = {
            "dag_run": SimpleNamespace(run_type=by or "asset_triggered"),
            "triggering_asset_events": TriggeringAssetEventsAccessor.build(told[:-1] if missed else told),
            "inlet_events": {self.LANDED: Later(told)},
        }
        with running(workspace, **more):
            return look_of("", self.LANDED, staged=self.STAGED)

    def test_all_objects_of_all_events(self, running: Running, workspace: Workspace) -> None:
        events = [(self.LANDED, announced([f"s3://b/in/{n}.csv"])) for n in range(3)]
        look = self.look(running, workspace, *events, (self.STAGED, announced([])))
        assert look == Look(frozenset(f"s3://b/in/{n}.csv" for n in range(3)), is_model_new=True)
        assert self.look(running, workspace, events[0]) == Look(frozenset({"s3://b/in/0.csv"}))

    def test_an_event_that_airflow_started_no_run_for(self, running: Running, workspace: Workspace) -> None:
        events = [(self.LANDED, announced([f"s3://b/in/{n}.csv"])) for n in range(2)]
        look = self.look(running, workspace, *events, missed=True)
        assert look == Look(frozenset({"s3://b/in/0.csv", "s3://b/in/1.csv"}))

    def test_what_a_watcher_sends_is_wrapped_by_airflow(self, running: Running, workspace: Workspace) -> None:
        names = ["s3://b/in/a.csv"]
        sent = {"from_trigger": True, "payload": {"why": "notification", **announced(names)}}
        assert self.look(running, workspace, (self.LANDED, sent)) == Look(frozenset(names))
        others: tuple[Any, ...] = (None, "text", {})
        for other in others:
            unknown = {"from_trigger": True, "payload": other}
            assert self.look(running, workspace, (self.LANDED, unknown)) == EVERYTHING

    @pytest.mark.parametrize("by", ["scheduled", "manual", "backfill"])
    def test_everything_without_an_event(self, running: Running, workspace: Workspace, by: str) -> None:
        event = self.LANDED, announced(["s3://b/in/a.csv"])
        assert self.look(running, workspace, event, by=by) == EVERYTHING
        assert self.look(running, workspace) == EVERYTHING

    def test_everything_if_an_event_is_of_an_older_iris(self, running: Running, workspace: Workspace) -> None:
        old = self.LANDED, {"why": "listing", "objects": 1, "newest": ["s3://b/in/a.csv"]}
        new = self.LANDED, announced(["s3://b/in/b.csv"])
        assert self.look(running, workspace, old, new) == EVERYTHING

    def test_everything_if_the_deployment_wants_it(
        self, running: Running, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOOKS", "everything")
        event = self.LANDED, announced(["s3://b/in/a.csv"])
        assert self.look(running, workspace, event) == EVERYTHING


def trained(workspace: Workspace, data: bytes) -> dict[str, Any]:
    workspace.store.put(workspace.settings.bucket, workspace.settings.train_key, data, "text/csv")
    return training.train(workspace, training.reconcile_training(workspace)).model_dump(mode="json")


@pytest.mark.integration
class TestRegisterModel:
    @pytest.fixture
    def operator(self) -> Callable[[Any], MlflowRegisterModelOperator]:
        return lambda work: MlflowRegisterModelOperator(task_id="register", trained=work, outlets=[STAGED])

    def test_stages_and_tells_the_asset(
        self,
        tracked: Workspace,
        running: Running,
        train_csv: bytes,
        operator: Callable[[Any], MlflowRegisterModelOperator],
    ) -> None:
        work = trained(tracked, train_csv)
        events: dict[Asset, Any] = defaultdict(SimpleNamespace)
        with running(tracked, outlet_events=events) as context:
            result = operator(work).execute(context)
        ref = models.staged(tracked.settings)
        assert ref is not None
        assert (result["model"], result["version"]) == (ref.name, str(ref.version)) == (ref.name, "1")
        assert result["training"] == work["identity"]
        assert events[STAGED].extra == {**result, "objects": 0, "newest": [], "others": []}
        assert json.loads(json.dumps(result)) == result
        [verdict] = tracked.ledger.recent("promotion")
        assert verdict.by.task_id == "a_task"
        assert result["verdict"] == verdict.identity.path
        assert result["low"] < result["score"] < result["high"]
        task: Any = context["ti"]
        assert task.pushed == {
            "_link_ModelVersionLink": "/iris/team_a_iris/versions/1",
            "_link_EvidenceLink": f"/iris/team_a_iris/records/{verdict.identity.path}",
        }

    def test_a_refused_model_is_a_skipped_task_without_event(
        self,
        mlflow_db: Path,
        make_workspace: Callable[..., Workspace],
        running: Running,
        iris_rows: tuple[list[str], list[str]],
        as_csv: Callable[[list[str]], bytes],
        operator: Callable[[Any], MlflowRegisterModelOperator],
    ) -> None:
        workspace = make_workspace(ACCURACY_THRESHOLD="1.0")
        mixed = [
            line.replace("versicolor", "virginica") if number % 4 == 0 else line
            for number, line in enumerate(iris_rows[0])
        ]
        work = trained(workspace, as_csv(mixed))
        events: dict[Asset, Any] = defaultdict(SimpleNamespace)
        with (
            running(workspace, outlet_events=events) as context,
            pytest.raises(AirflowSkipException, match="below ACCURACY_THRESHOLD"),
        ):
            operator(work).execute(context)
        assert events == {}
        told: Any = context["ti"]
        assert "below ACCURACY_THRESHOLD" in told.pushed["note"]
        [verdict] = workspace.ledger.recent("promotion")
        assert told.pushed["_link_EvidenceLink"].endswith(f"/records/{verdict.identity.path}")
        assert told.pushed["_link_ModelVersionLink"].endswith("/versions/1")
        assert models.staged(workspace.settings) is None


@pytest.mark.integration
class TestDriftReport:
    def test_reports_on_one_scoring(
        self, tracked: Workspace, running: Running, train_csv: bytes, test_csv: bytes
    ) -> None:
        work = trained(tracked, train_csv)
        promotion.register_step(tracked, work["identity"])
        tracked.store.put(tracked.settings.bucket, tracked.settings.test_key, test_csv, "text/csv")
        score_owed(tracked)
        [scored] = monitoring.plan_reports(tracked)
        with running(tracked) as context:
            result = EvidentlyDriftReportOperator(task_id="report", scoring=scored).execute(context)
        assert json.loads(json.dumps(result)) == result
        [record] = tracked.ledger.recent("drift")
        assert record.by.task_id == "a_task"
        task: Any = context["ti"]
        assert unquote(task.pushed["_link_ReportLink"]).endswith(f"object?uri={result['report']}")
        assert unquote(task.pushed["_link_StatisticsLink"]).endswith(f"object?uri={result['statistics']}")
        with pytest.raises(NothingOwed):
            monitoring.plan_reports(tracked)
