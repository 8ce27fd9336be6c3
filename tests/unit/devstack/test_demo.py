"""The demo tells this upload's story from ledger and Airflow, and says which hop of it is missing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from devstack import demo
from devstack.acts import Act
from devstack.demo import Result, Scene
from devstack.home import Home
from devstack.hops import Hop, HopMissing
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.errors import StackError
from iris_core.ledger import Identity, Kind, ModelRef, Record
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import RejectedRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectVersion
from tests.records import like

pytestmark = pytest.mark.integration

Decided = TypeVar("Decided", bound=Record)

CLEAN_HOPS = ["landed", "run_started", "validated", "trained", "staged", "scored", "drift"]
SHIFTED_HOPS = ["landed", "run_started", "scored", "drift"]


class Pipelines:
    """Stands in for Airflow with its three pipelines: answers its REST API, writes their ledger records."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.severities = {"clean": "none", "shifted": "high"}
        self.verdict = "promoted"
        self.training = "trained"
        self.failed_task: dict[str, Any] | None = None
        self.known_dags: list[str] | None = None
        self._decided: set[str] = set()
        self._versions = 0

    def answer(self, path: str, query: dict[str, list[str]]) -> Any:
        names = self.workspace.settings.names
        if path == "/auth/token":
            return {"access_token": "t"}
        if path == "/api/v2/dags":
            known = [names.training_dag, names.inference_dag, names.drift_dag]
            return {"dags": [{"dag_id": dag} for dag in (self.known_dags or known)]}
        if path == "/api/v2/importErrors":
            trace = "Traceback\nModuleNotFoundError: No module named 'nope'\n"
            return {"import_errors": [{"filename": "dags/iris_pipeline.py", "stack_trace": trace}]}
        if path == "/api/v2/assets":
            return {"assets": [{"id": 7, "name": names.asset("staged_model")}]}
        if "/logs/" in path:
            error = {"exc_type": "StoreError", "exc_value": "no answer from the store"}
            return {"content": [{"level": "error", "event": "Task failed", "error_detail": [error]}]}
        dag_id = path.split("/")[4]
        return self._runs(dag_id) if path.endswith("/dagRuns") else self._tasks(dag_id, query)

    def _runs(self, dag_id: str) -> Any:
        run = {"dag_id": dag_id, "run_type": "asset_triggered", "state": "running", "start_date": now()}
        scheduled = {**run, "run_type": "scheduled", "dag_run_id": "scheduled__1"}
        self._work()
        return {"dag_runs": [scheduled, {**run, "dag_run_id": "asset__1"}]}

    def _tasks(self, dag_id: str, query: dict[str, list[str]]) -> Any:
        states = query.get("state", [])
        if self.failed_task and "failed" in states:
            return {"task_instances": [{"dag_id": dag_id, **self.failed_task}]}
        done = {"dag_id": dag_id, "dag_run_id": "asset__1", "map_index": -1, "try_number": 1}
        ended = {**done, "task_id": "validate", "state": "success", "end_date": now()}
        return {"task_instances": [ended] if not states or "success" in states else []}

    def _work(self) -> None:
        """What the pipelines do about what has landed; the old model's run comes late, as it may."""
        settings = self.workspace.settings
        before = self._versions
        for listed in list(self.workspace.store.versions(settings.bucket, settings.train_key)):
            if self._first("training", listed.object):
                self._train(listed.object)
        for model in dict.fromkeys((self._versions, before)):
            self._score_all(settings.test_key, model)

    def _score_all(self, key: str, model: int) -> None:
        """The newest upload first, so that the newest record is never about it."""
        for listed in list(self.workspace.store.versions(self.workspace.settings.bucket, key)):
            if model and self._first(f"scoring by {model}", listed.object):
                self._score(listed.object, model)

    def _first(self, what: str, version: ObjectVersion) -> bool:
        key = f"{what} {version.digest}"
        fresh = key not in self._decided
        self._decided.add(key)
        return fresh

    def _train(self, version: ObjectVersion) -> None:
        if self.training != "trained":
            self.commit(RejectedRecord, "training", version, reason="column species, row 3: not a class")
            return
        run_id = f"run{self._versions + 1}"
        self.commit(
            TrainedRecord,
            "training",
            version,
            outputs={"run_id": run_id},
            evidence={"accuracy": 0.95, "rows": 120},
        )
        if self.verdict == "promoted":
            self._versions += 1
        self.commit(
            VerdictRecord,
            "promotion",
            version,
            outcome=self.verdict,
            reason="accuracy 0.05 is below 0.1",
            inputs={"model": "m", "version": 1, "run_id": run_id},
        )

    def _score(self, version: ObjectVersion, number: int) -> None:
        settings = self.workspace.settings
        scored = self.commit(
            ScoredRecord,
            "scoring",
            version,
            variant=f"v{number}",
            inputs={"model": ModelRef(name="m", version=number, run_id=f"run{number}")},
            evidence={"rows": 30, "accuracy": 0.9},
        )
        key = f"iris/drift/{scored.subject}/report.html"
        self.workspace.store.put(settings.bucket, key, b"<html>drift</html>", "text/html")
        drift = like(
            BatchDriftRecord,
            identity=Identity.of_drift(scored.identity, scored.at),
            outcome=self.severities[self._kind_of(version)],
            reason="It [moved].",
            inputs={"scoring": scored.identity.path},
            outputs={"report_html": f"s3://{settings.bucket}/{key}"},
        )
        self.workspace.ledger.commit(drift)

    def _kind_of(self, version: ObjectVersion) -> str:
        rows = self.workspace.store.read(version).decode().splitlines()[1:]
        longest = max(float(row.split(",")[2]) for row in rows)
        return "shifted" if longest > 7 else "clean"

    def commit(
        self, what: type[Decided], kind: Kind, version: ObjectVersion, variant: str = "v", **content: Any
    ) -> Decided:
        inputs = {"object": version, **content.pop("inputs", {})}
        record = like(what, identity=Identity.of_object(kind, version, variant), inputs=inputs, **content)
        self.workspace.ledger.commit(record)
        return record


def now() -> str:
    return datetime.now(UTC).isoformat()


@pytest.fixture
def pipelines(workspace: Workspace) -> Pipelines:
    return Pipelines(workspace)


@pytest.fixture
def airflow(pipelines: Pipelines) -> Iterator[AirflowApi]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = json.dumps(pipelines.answer(url.path, parse_qs(url.query))).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield AirflowApi(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


class Silent:
    """Watches the demo and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def act(self, name: str, what: str) -> None:
        self.shown.append(name)

    def hop(self, hop: Hop) -> None:
        self.shown.append(hop.name)

    def waiting(self, what: str, seconds: float) -> None:
        pass


@pytest.fixture
def scene(workspace: Workspace, airflow: AirflowApi, tmp_path: Path) -> Scene:
    return Scene(Home(tmp_path / ".iris"), workspace, airflow, "http://127.0.0.1:5000", hop_bound_s=1.0)


def test_both_acts_arrive_and_are_written_down(scene: Scene) -> None:
    show = Silent()
    result = demo.play(scene, show)
    assert show.shown == ["clean", *CLEAN_HOPS, "shifted", *SHIFTED_HOPS]
    written = json.loads(scene.home.demo.read_text())
    assert written["ok"] is True
    assert [act["name"] for act in written["acts"]] == ["clean", "shifted"]
    assert [act["severity"] for act in written["acts"]] == ["none", "high"]
    assert [hop["name"] for hop in written["acts"][0]["hops"]] == CLEAN_HOPS
    facts = {hop["name"]: hop["facts"] for hop in written["acts"][0]["hops"]}
    assert facts["run_started"]["run"] == "asset__1"
    assert facts["trained"]["accuracy"] == 0.95
    assert (facts["staged"]["version"], facts["scored"]["model_version"]) == ("1", "1")
    assert all(hop["seconds_since_upload"] >= 0 for act in written["acts"] for hop in act["hops"])
    assert result.links["airflow_asset_graph"].endswith("/assets/7")
    assert (
        Path(result.links["drift_report_shifted"].removeprefix("file://")).read_text() == "<html>drift</html>"
    )
    figures = json.loads((scene.home.results / "demo.json").read_text())["figures"]
    assert {figure["name"]: figure["met"] for figure in figures}["demo_s"] is True


def test_a_second_demo_tells_of_its_own_upload(scene: Scene, pipelines: Pipelines) -> None:
    # The second time, what lands is scored by the old model as well, and older uploads by the new one.
    demo.play(scene, Silent())
    first = json.loads(scene.home.demo.read_text())
    demo.play(scene, Silent())
    second = json.loads(scene.home.demo.read_text())
    assert [act["severity"] for act in second["acts"]] == ["none", "high"]
    scored = [hop for act in second["acts"] for hop in act["hops"] if hop["name"] == "scored"]
    assert [hop["facts"]["model_version"] for hop in scored] == ["2", "2"]
    settings = scene.workspace.settings
    uploads = [it.object.uri for it in scene.workspace.store.versions(settings.bucket, settings.test_key)]
    assert [hop["facts"]["object"] for hop in reversed(scored)] == uploads[:2]
    landed = [found["acts"][0]["hops"][0]["facts"]["object"] for found in (first, second)]
    assert landed[0] != landed[1]


def test_a_severity_that_does_not_rise_is_a_failure(scene: Scene, pipelines: Pipelines) -> None:
    pipelines.severities = {"clean": "medium", "shifted": "medium"}
    with pytest.raises(HopMissing, match=r"drift: petals 3 cm longer .* but medium became medium"):
        demo.play(scene, Silent())
    assert json.loads(scene.home.demo.read_text())["ok"] is False


def test_a_refused_model_leaves_the_staged_one_to_score(scene: Scene, pipelines: Pipelines) -> None:
    demo.play(scene, Silent())
    pipelines.verdict = "refused"
    result = demo.play(scene, Silent())
    staged = next(hop for hop in result.acts[0].hops if hop.name == "staged")
    assert staged.facts["refused"] == "accuracy 0.05 is below 0.1"


def test_a_rejected_upload_ends_the_demo_with_the_reason(scene: Scene, pipelines: Pipelines) -> None:
    pipelines.training = "rejected"
    with pytest.raises(HopMissing, match=r"trained: the ledger says rejected: column species, row 3"):
        demo.play(scene, Silent())


def test_a_hop_that_does_not_come_is_named_with_the_failed_task(
    scene: Scene, pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pipelines, "_score", lambda *_: None)
    pipelines.failed_task = {
        "dag_run_id": "asset__1",
        "task_id": "score",
        "map_index": 0,
        "state": "up_for_retry",
        "try_number": 2,
    }
    with pytest.raises(HopMissing) as error:
        demo.play(scene, Silent())
    assert error.value.hop == "scored"
    for part in ("did not arrive within 1 s", "score of", "try 2", "StoreError: no answer from the store"):
        assert part in str(error.value)
    written = json.loads(scene.home.demo.read_text())
    assert [hop["name"] for hop in written["acts"][0]["hops"]] == CLEAN_HOPS[:5]
    assert "scored" in written["error"]


def test_a_task_that_failed_for_good_ends_the_wait(
    scene: Scene, pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pipelines, "_work", lambda *_: None)
    monkeypatch.setattr("devstack.hops.LOOK_FOR_FAILURES_S", 0.1)
    pipelines.failed_task = {
        "dag_run_id": "asset__1",
        "task_id": "train",
        "map_index": -1,
        "state": "failed",
        "try_number": 1,
    }
    with pytest.raises(HopMissing, match=r"trained: will not arrive\. Task train"):
        demo.play(scene, Silent())


def test_dags_that_cannot_be_imported_are_named(scene: Scene, pipelines: Pipelines) -> None:
    pipelines.known_dags = [scene.workspace.settings.names.drift_dag]
    with pytest.raises(StackError, match=r"iris_pipeline\.py: ModuleNotFoundError: No module named 'nope'"):
        demo.await_dags(scene, Silent(), bound_s=0.1)


def test_an_airflow_that_is_not_there() -> None:
    with pytest.raises(StackError, match="does not answer /auth/token"):
        AirflowApi("http://127.0.0.1:9").dag_ids()


def test_seconds_are_counted_from_the_upload() -> None:
    told: list[Hop] = []
    act = Act("clean", told.append)
    act.saw("landed", act.began + timedelta(seconds=1.5))
    act.saw("run_started", act.began - timedelta(milliseconds=3))
    assert [hop.seconds_since_upload for hop in told] == [1.5, 0.0]


def test_figures_of_a_demo_that_failed() -> None:
    made: Callable[..., Any] = demo.figures
    figures = {figure.name: figure for figure in made(Result(seconds=3, error="landed: no answer"))}
    assert figures["clean_upload_to_verdict_s"].value is None
    assert figures["clean_upload_to_verdict_s"].reason == "landed: no answer"
