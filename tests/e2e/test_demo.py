"""The demo on a real stack: it shows what came of its own uploads, and a refusal ends it with the reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devstack import demo
from devstack.acts import Act, Director
from devstack.demo import Scene
from devstack.home import Home
from devstack.hops import Hop, HopMissing, Sight
from iris_core.ledger.records.training import TrainedRecord
from iris_core.store.objects import ObjectVersion
from tests.e2e.conftest import Running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

CLEAN_HOPS = ["landed", "run_started", "validated", "trained", "staged", "scored", "drift"]
SHIFTED_HOPS = ["landed", "run_started", "scored", "drift"]


class Remembering:
    """Watches the demo and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def act(self, name: str, what: str) -> None:
        self.shown.append(name)

    def hop(self, hop: Hop) -> None:
        self.shown.append(hop.name)

    def waiting(self, what: str, seconds: float) -> None:
        """Not remembered."""


def test_both_acts_arrive_and_are_written_down(running: Running, tmp_path: Path) -> None:
    running.quiet()
    tracking_uri = running.stack.running().endpoints["mlflow"]
    scene = Scene(
        Home(tmp_path), running.workspace, running.airflow, tracking_uri, check=running.stack.running
    )
    show = Remembering()

    result = demo.play(scene, show)

    assert show.shown == ["clean", *CLEAN_HOPS, "shifted", *SHIFTED_HOPS]
    written = json.loads(scene.home.demo.read_text())
    assert written["ok"] is True
    clean, shifted = written["acts"]
    assert shifted["severity"] == "high"
    assert [hop["name"] for hop in clean["hops"]] == CLEAN_HOPS
    seconds = [hop["seconds_since_upload"] for hop in clean["hops"]]
    assert seconds == sorted(seconds)
    facts = {hop["name"]: hop["facts"] for hop in clean["hops"]}
    landed = _landed(running, facts["landed"]["object"])
    decisions = [
        r for r in running.workspace.ledger.recent("training") if r.about and r.about.digest == landed.digest
    ]
    # The newest may be of the retraining that the shifted act asks for, on the same table.
    trained = decisions[-1]
    assert isinstance(trained, TrainedRecord)
    assert facts["trained"]["run_id"] == trained.run_id
    assert facts["run_started"]["run"].startswith("asset_triggered__")
    assert facts["scored"]["rows"] == 30
    assert facts["scored"]["model_version"] == str(facts["staged"]["version"])
    assert result.links["airflow_asset_graph"].startswith(f"{running.airflow.address}/assets/")
    views = [view for one in running.airflow.get("/plugins")["plugins"] for view in one["external_views"]]
    assert result.links["page"] in [f"{running.airflow.address}/plugin/{view['url_route']}" for view in views]
    page = Path(result.links["drift_report_shifted"].removeprefix("file://")).read_text()
    assert "petal_length" in page
    figures = json.loads((scene.home.results / "demo.json").read_text())["figures"]
    assert all(figure["value"] > 0 for figure in figures)
    running.quiet()


def _landed(running: Running, uri: str) -> ObjectVersion:
    settings = running.workspace.settings
    versions = running.workspace.store.versions(settings.bucket, settings.train_key)
    return next(listed.object for listed in versions if listed.object.uri == uri)


def test_a_refused_upload_ends_it_with_the_failed_task_and_its_reason(
    running: Running, tables: tuple[bytes, bytes]
) -> None:
    running.quiet()
    training, inference = tables
    stamp = f"{datetime.now(UTC):%H%M%S%f}"
    refused = training + f"abc{stamp},3.5,1.4,0.2,setosa\n".encode()
    act = Act("clean")

    with pytest.raises(HopMissing) as error:
        Director(running.workspace, Sight(running.workspace.ledger, running.airflow, 120)).clean(
            act, refused, inference
        )

    assert error.value.hop == "validated"
    assert "will not arrive. Task validate of" in str(error.value)
    assert f"abc{stamp}" in str(error.value)
    assert [hop.name for hop in act.hops] == CLEAN_HOPS[:2]
    running.train(training)
    running.quiet()
