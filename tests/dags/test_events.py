"""How many runs events start, by Airflow's own scheduler on a database with this repository's DAGs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.dags.conftest import ROOT, environment, told

pytestmark = pytest.mark.dags

RUNS = """
import json, sys
from airflow.assets.manager import asset_manager
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.dag_processing.dagbag import DagBag
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.settings import Session
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import prohibit_commit

dags, announced = sys.argv[1], json.loads(sys.argv[2])
with create_session() as session:
    session.add(DagBundleModel(name="repository"))
with create_session() as session:
    found = [LazyDeserializedDAG.from_dag(dag) for dag in DagBag(dags).dags.values()]
    update_dag_parsing_results_in_db("repository", None, found, {}, None, set(), session, files_parsed=None)
    session.query(DagModel).update({DagModel.is_paused: False})

scheduler = SchedulerJobRunner(job=Job())
with create_session() as session:
    session.add(scheduler.job)

def look():
    session = Session()
    with prohibit_commit(session) as guard:
        scheduler._create_dagruns_for_dags(guard, session)
    session.commit()
    return [run.dag_id for run in session.query(DagRun).filter_by(run_type="asset_triggered")]

def announce(name):
    for dag in DagBag(dags).dags.values():
        for asset in dag.schedule.asset_condition.objects:
            if asset.name == name:
                with create_session() as session:
                    asset_manager.register_asset_change(asset=asset, session=session)

look()
told = []
for names in announced:
    for name in names:
        announce(name)
    told.append(sorted(look()))
print("RUNS", json.dumps(told))
"""


def test_events_that_come_together_start_one_run_and_later_ones_another(
    airflow_template: Path, tmp_path: Path
) -> None:
    """Without `batch_asset_events`, Airflow 3.4 starts a run for each event."""
    shutil.copy(airflow_template, tmp_path / "airflow.db")
    together = ["team_a_dev_inference_data"] * 3 + ["team_a_dev_staged_model"]
    later = ["team_a_dev_inference_data"]
    announced = json.dumps([together, [], later])
    environ = environment(tmp_path, TEAM="team_a", PLATFORM_ENV="dev")
    runs = told(RUNS, [str(ROOT / "dags"), announced], environ, tmp_path, "RUNS")
    scoring = "team_a_dev_iris_batch_inference"
    assert runs == [[scoring], [scoring], [scoring, scoring]]
