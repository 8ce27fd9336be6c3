"""`make demo`: Iris goes through all three pipelines; then its petals grow, and the verdict changes.

With another project of this repository it is that one's table.

With tables of one's own, those go through the pipelines, and that is all.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from devstack.acts import Act, ActName, Director
from devstack.examples import example_of
from devstack.figures import Figure, write_figures
from devstack.home import Home, write_json
from devstack.hops import Hop, HopMissing, HopName, Sight
from iris_core.doctor import Diagnosis, examine
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.drift.thresholds import SEVERITIES
from iris_core.errors import IrisError, StackError, StoreError
from iris_core.ledger.workspace import Workspace
from iris_core.settings.names import page_route

HOP_BOUND_S = 120.0
FITNESS_BOUND_S = 90.0
"""Seconds for a stack that has just been started: Airflow must parse the DAGs and create their watchers."""
GOAL_S = 180.0


class Show(Protocol):
    """Shows the demo's progress."""

    def act(self, name: ActName, what: str) -> None:
        """Show that an act begins."""

    def hop(self, hop: Hop) -> None:
        """Show a hop that was seen."""

    def waiting(self, what: str, seconds: float) -> None:
        """Show what is awaited, and for how many seconds already."""


@dataclass(frozen=True)
class Scene:
    """The stack on which the demo plays: a workspace, Airflow and MLflow, and the home for the demo's files.

    `is_uploader` says that the credentials are an uploader's, not the pipelines'. `check` is called while the
    demo waits, and raises StackError if the stack is gone.
    """

    home: Home
    workspace: Workspace
    airflow: AirflowApi
    tracking_uri: str
    hop_bound_s: float = HOP_BOUND_S
    is_uploader: bool = False
    check: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class OwnTables:
    """Tables of one's own to play with: one to train on, one to score."""

    train: Path
    test: Path


@dataclass
class Result:
    """The demo's result. `error` is empty if all hops arrived and the severity rose."""

    acts: list[Act] = field(default_factory=list)
    seconds: float = 0.0
    links: dict[str, str] = field(default_factory=dict)
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """The content of `.iris/demo.json`."""
        return {
            "ok": not self.error,
            "seconds": round(self.seconds, 2),
            "acts": [
                {"name": act.name, "severity": act.severity, "hops": [asdict(hop) for hop in act.hops]}
                for act in self.acts
            ],
            "links": self.links,
            **({"error": self.error} if self.error else {}),
        }


def play(scene: Scene, show: Show, seed: int | None = None, own: OwnTables | None = None) -> Result:
    """Play both acts, or the first one with tables of one's own, and write the result to the home.

    The result is written after a failure, too.

    :param scene: the stack.
    :param show: shows the progress.
    :param seed: chooses the rows for training and for scoring; by default another one each time.
    :param own: tables to play with in place of the project's.
    :raises HopMissing: a hop did not arrive in time, or the severity did not rise.
    :raises StackError: the stack does not work, or is taken down while the demo plays.
    """
    result = Result()
    began = time.monotonic()
    try:
        await_fitness(scene, show)
        began = time.monotonic()
        if own:
            _play_own(scene, show, result, own)
        else:
            _play_acts(scene, show, result, secrets.randbelow(2**31) if seed is None else seed)
    except IrisError as error:
        result.error = str(error)
        raise
    finally:
        result.seconds = time.monotonic() - began
        result.links = links(scene, result.acts)
        write_json(scene.home.demo, result.as_json())
        write_figures(scene.home, "demo", figures(result))
    return result


def await_fitness(scene: Scene, show: Show, bound_s: float = FITNESS_BOUND_S) -> None:
    """Wait until `iris doctor` finds nothing ill. Ignores owed work: a stack that was down has yet to do it.

    :param scene: the stack.
    :param show: shows what is awaited.
    :param bound_s: most seconds to wait.
    :raises StackError: something stays ill; the message says what to do.
    """
    began = time.monotonic()
    while found := _ill(scene):
        scene.check()
        seconds = time.monotonic() - began
        show.waiting(f"{found[0].check}: {found[0].said}", seconds)
        if seconds > bound_s:
            told = [f"{one.check}: {one.said} → {one.todo}" for one in found]
            raise StackError("\n".join(["The stack is not fit to play on (iris doctor):", *told]))
        time.sleep(1)


def _ill(scene: Scene) -> list[Diagnosis]:
    found = examine(scene.workspace, scene.airflow, scene.is_uploader)
    return [one for one in found if one.level == "ill" and one.check != "owed"]


def _play_acts(scene: Scene, show: Show, result: Result, seed: int) -> None:
    example = example_of(scene.workspace.settings.project, seed)
    director = _director(scene, show)

    show.act("clean", f"upload {example.rows[0]} rows to train on and {example.rows[1]} to score")
    clean = Act("clean", show.hop)
    result.acts.append(clean)
    director.clean(clean, example.training, example.inference)

    show.act("shifted", f"upload {example.shift}")
    drifted = Act("shifted", show.hop)
    result.acts.append(drifted)
    director.shifted(drifted, example.shifted)
    check_rise(clean.severity, drifted.severity, example.shift)


def _play_own(scene: Scene, show: Show, result: Result, own: OwnTables) -> None:
    show.act("clean", f"upload {own.train.name} to train on and {own.test.name} to score")
    act = Act("clean", show.hop)
    result.acts.append(act)
    _director(scene, show).clean(act, own.train.read_bytes(), own.test.read_bytes())


def _director(scene: Scene, show: Show) -> Director:
    sight = Sight(scene.workspace.ledger, scene.airflow, scene.hop_bound_s, _idle(scene, show))
    return Director(scene.workspace, sight)


def _idle(scene: Scene, show: Show) -> Callable[[HopName, float], None]:
    def idle(hop: HopName, seconds: float) -> None:
        scene.check()
        show.waiting(hop, seconds)

    return idle


def check_rise(before: str | None, after: str | None, shift: str) -> None:
    """Check that the severity of the second act is worse than that of the first.

    :param before: the first one's.
    :param after: the second one's.
    :param shift: what was uploaded in between.
    :raises HopMissing: it is not worse.
    """
    levels: Sequence[str | None] = SEVERITIES
    if levels.index(after) <= levels.index(before):
        message = f"{shift} should raise the severity, but {before} became {after}."
        raise HopMissing("drift", message)


def links(scene: Scene, acts: Sequence[Act]) -> dict[str, str]:
    """Links to Airflow and MLflow, and to the drift reports, which are downloaded for the browser."""
    settings = scene.workspace.settings
    names = settings.names
    found = {
        "airflow": scene.airflow.address,
        "page": f"{scene.airflow.address}/plugin/{page_route(settings.project.full_name)}",
        "airflow_asset_graph": _asset_graph(scene.airflow, names.asset("staged_model")),
        "mlflow_model": f"{scene.tracking_uri}/#/models/{quote(names.model)}",
    }
    for act in acts:
        if act.report_uri:
            found[f"drift_report_{act.name}"] = _fetch_report(scene, act)
            found[f"drift_report_{act.name}_s3"] = act.report_uri
    return found


def _asset_graph(airflow: AirflowApi, asset: str) -> str:
    try:
        number = airflow.asset_id(asset)
    except StackError:
        number = None
    return f"{airflow.address}/assets" + (f"/{number}" if number else "")


def _fetch_report(scene: Scene, act: Act) -> str:
    bucket, key = act.report_uri.removeprefix("s3://").partition("?")[0].split("/", 1)
    path = scene.home.reports / f"drift_{act.name}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_bytes(scene.workspace.store.get(bucket, key))
    except StoreError:
        return act.report_uri
    return path.as_uri()


def figures(result: Result) -> list[Figure]:
    """The demo's figures: its duration, and the time of each act from the upload to the verdict."""
    total = Figure(name="demo_s", value=round(result.seconds, 2), unit="s", goal=GOAL_S, reason=result.error)
    return [total, *(_to_verdict(name, result) for name in ("clean", "shifted"))]


def _to_verdict(name: str, result: Result) -> Figure:
    hops = [hop for act in result.acts if act.name == name for hop in act.hops if hop.name == "drift"]
    value = hops[0].seconds_since_upload if hops else None
    reason = "" if hops else result.error
    return Figure(name=f"{name}_upload_to_verdict_s", value=value, unit="s", reason=reason)
