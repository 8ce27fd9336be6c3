"""Checks of Airflow: its parts run, the three DAGs are parsed and not paused, their watchers are alive."""

from __future__ import annotations

from collections.abc import Iterator

from iris_core.doctor.airflow_api import AirflowApi
from iris_core.doctor.finding import Diagnosis, ill, well
from iris_core.errors import StackError
from iris_core.settings.names import Names

CHECK = "airflow"
WATCHED = ("training_data", "inference_data", "labels", "staged_model")
OTHERS = "iris_projects.py"
"""The DAG file that cannot be imported while a project's file is broken; the other projects run."""

PARTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


def check_airflow(api: AirflowApi, names: Names) -> Iterator[Diagnosis]:
    """Check Airflow through its REST API. Read-only.

    A watcher counts as alive if Airflow has a trigger for it and the triggerer has a heartbeat: the API shows
    no more.

    :param api: the client of the API.
    :param names: names of the DAGs and assets.
    """
    try:
        yield _parts(api)
        yield _dags(api, names)
        yield _watchers(api, names)
    except StackError as error:
        yield ill(CHECK, str(error), "Start its api-server, or check address and login.")


def _parts(api: AirflowApi) -> Diagnosis:
    health = api.get("/monitor/health")
    silent = [part for part in PARTS if health.get(part, {}).get("status") != "healthy"]
    if silent:
        return ill(CHECK, f"not healthy: {', '.join(silent)}", "Start them, and look into their logs.")
    return well(CHECK, f"{api.address}: {', '.join(PARTS)} are healthy")


def _dags(api: AirflowApi, names: Names) -> Diagnosis:
    wanted = {*names.dags}
    found = api.get("/dags", limit=100, exclude_stale=True, dag_id_pattern=names.team)["dags"]
    known = {dag["dag_id"]: dag["is_paused"] for dag in found}
    missing = sorted(wanted - known.keys())
    broken = api.import_errors()
    if not missing:
        broken = {file: trace for file, trace in broken.items() if not file.endswith(OTHERS)}
    if broken:
        file, trace = next(iter(broken.items()))
        last = trace.strip().splitlines()[-1] if trace.strip() else ""
        return ill("dags", f"{file} cannot be imported: {last}", "Correct what it says, mostly a variable.")
    if missing:
        todo = "Check the DAG folder, TEAM and PLATFORM_ENV: they are part of the names."
        return ill("dags", f"Airflow does not know {', '.join(missing)}", todo)
    if paused := sorted(dag for dag in wanted if known[dag]):
        todo = "Unpause: events that arrive meanwhile are dropped. The daily run finds what they were about."
        return ill("dags", f"paused: {', '.join(paused)}", todo)
    return well("dags", "all three are parsed and not paused")


def _watchers(api: AirflowApi, names: Names) -> Diagnosis:
    found = api.get("/assets", limit=100, name_pattern=names.asset(""))["assets"]
    watched = {asset["name"] for asset in found if asset["watchers"]}
    unwatched = [name for name in map(names.asset, WATCHED) if name not in watched]
    if unwatched:
        todo = "Look into the triggerer's log; uploads start nothing until the daily run."
        return ill("watchers", f"nobody watches {', '.join(unwatched)}", todo)
    return well("watchers", f"{', '.join(WATCHED)} are watched")
