"""`make bench-history HISTORY=100000`: what an upload and a look cost with a long past, beside none.

Two deployments of one store and one MLflow: the past of one is written straight into the store
(benchmarks.past), the other has none. Uploads go to both in turn. The steps are those that the DAGs call,
each in a process that is forked as Airflow forks a task (benchmarks.worker). Airflow itself is not there: it
adds the same to both sides, and would hide what a look costs.
"""

from __future__ import annotations

import itertools
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from benchmarks.counted import counted
from benchmarks.past import Past, Sample
from benchmarks.scoring import object_store
from benchmarks.worker import Task, Worker
from devstack.figures import Figure, write_figures
from devstack.home import find_home
from devstack.iris_tables import split_iris
from iris_core.ledger import Record
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace, access_from_settings, open_workspace
from iris_core.settings.variables import load_settings

FEW = 1_000
"""Requests with a long past are compared with those with so many objects."""
RECONCILE, PLAN, UNREPORTED, JOIN_LABELS = (
    f"benchmarks.looks:{name}_named" for name in ("reconcile", "plan", "unreported", "join_labels")
)
LOOKS = {"training_look": RECONCILE, "scoring_look": PLAN, "drift_look": UNREPORTED}
LISTINGS = 3
"""So many bare listings are compared with as many full looks."""
WRITTEN = "written"
"""Below it is an object once the past is whole."""
Found = TypeVar("Found", bound=Record)
console = Console(width=120)


@dataclass
class Deployment:
    """A team of its own, and how long each of its tasks took."""

    name: str
    environ: Mapping[str, str]
    worker: Worker
    chance: Iterator[int]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    verdicts: list[float] = field(default_factory=list)

    @property
    def workspace(self) -> Workspace:
        """What its steps open, too."""
        settings = load_settings(dict(self.environ))
        return open_workspace(settings, access_from_settings(settings))

    def step(self, name: str, *args: Any) -> Task:
        """Run a step; one that fails for another reason than that nothing is owed ends the benchmark."""
        task = self.worker.run(name, *args, environ=self.environ)
        if task.outcome not in ("done", "nothing"):
            raise SystemExit(f"{self.name}: {name}: {task.outcome}: {task.told}")
        self.seconds.setdefault(name, []).append(task.seconds)
        return task

    def train(self) -> None:
        """Upload training data, and run the training DAG's steps."""
        settings = self.workspace.settings
        data = split_iris(settings.project.table, next(self.chance))[0].csv()
        landed = self.workspace.store.put(settings.bucket, settings.train_key, data, "text/csv")
        work = self.step(RECONCILE, [landed.uri]).value
        for name in ("validate", "train"):
            work = self.step(name, work).value
        # A refused model is no failure of the loop.
        self.worker.run("register", work, environ=self.environ)

    def score(self) -> None:
        """Upload inference data, run the steps of the DAGs that it wakes, note the time to the verdict."""
        workspace, settings = self.workspace, self.workspace.settings
        data = split_iris(settings.project.table, next(self.chance))[1].csv()
        began = time.monotonic()
        key = f"{settings.test_key}new/{time.time_ns()}.csv"
        landed = workspace.store.put(settings.bucket, key, data, "text/csv")
        shards = self.step(PLAN, [landed.uri]).value
        published = self.step("publish", [self.step("score", shard).value for shard in shards]).value
        named = [one["scoring"] for one in published]
        made = [self.step("report", scoring).value for scoring in self.step(UNREPORTED, named).value]
        self.verdicts.append(time.monotonic() - began)
        self.step("benchmarks.looks:conclude", made)
        self.step(JOIN_LABELS, named)
        for name in ("deliver", "request"):
            self.step(f"benchmarks.looks:{name}")

    def measured(self, name: str) -> dict[str, float]:
        """What a step of benchmarks.looks found."""
        found: dict[str, float] = self.step(f"benchmarks.looks:{name}").value
        return found

    def requests(self) -> Counter[str]:
        """Requests to the store of a training and an inference upload with all their tasks, by their kind."""
        with counted(self.environ["MLFLOW_S3_ENDPOINT_URL"]) as proxy:
            here = {**self.environ, "MLFLOW_S3_ENDPOINT_URL": proxy.url}
            there = Deployment(self.name, here, self.worker, self.chance)
            there.score()
            there.train()
            return proxy.counts

    def stored(self) -> tuple[int, int]:
        """Versions in its bucket, and their bytes."""
        workspace = self.workspace
        sizes = [item.object.size for item in workspace.store.versions(workspace.settings.bucket, "")]
        return len(sizes), sum(sizes)

    def growth(self) -> dict[str, tuple[int, float]]:
        """Objects and KB that an upload leaves behind, itself included, by what is uploaded."""
        found = {}
        for name, upload in (("training", self.train), ("inference", self.score)):
            before = self.stored()
            upload()
            objects, size = (now - then for now, then in zip(self.stored(), before, strict=True))
            found[name] = objects, round(size / 1000, 1)
        return found

    def sample(self) -> Sample:
        """Its newest records."""
        ledger = self.workspace.ledger

        def newest(what: type[Found]) -> Found:
            return next(ledger.recent_of(what))

        return Sample(
            newest(TrainedRecord), newest(VerdictRecord), newest(ScoredRecord), newest(BatchDriftRecord)
        )


@contextmanager
def deployments(folder: Path) -> Iterator[tuple[str, list[Deployment]]]:
    """The store's name, and a deployment each without a past, with a long one, and with `FEW` objects."""
    folder.mkdir(parents=True, exist_ok=True)
    with object_store(folder / "store") as (store, (endpoint, user, secret)):
        environ = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "MLFLOW_S3_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": secret,
            "TEAM_S3_TEST_KEY": "in/",
            "RETRAIN_ON_DRIFT": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        }
        worker, seed = Worker(environ, folder, "--evidently"), secrets.randbelow(2**30)
        try:
            yield (
                store,
                [
                    Deployment(name, {**environ, "TEAM": f"team_{name}"}, worker, itertools.count(seed))
                    for name in ("without", "with", "few")
                ],
            )
        finally:
            worker.close()


def prepare(store: str, ours: Deployment, objects: int, days: int) -> None:
    """Train and score once, then write the past before that; a deployment that has one keeps it."""
    workspace = ours.workspace
    workspace.store.ensure_bucket(workspace.settings.bucket)
    for key in workspace.store.keys(workspace.settings.bucket, WRITTEN):
        if key != f"{WRITTEN}/{objects}":
            raise SystemExit(f"{ours.name} keeps another past ({key}): take another folder, or that number.")
        return
    ours.train()
    ours.score()
    if objects:
        began = time.monotonic()
        with console.status(f"writing {objects} decided objects"):
            Past(workspace, ours.sample(), takes_times=store == "MinIO").write(objects, days)
        console.print(f"  {objects} decided objects written in {time.monotonic() - began:.0f} s", style="dim")
    workspace.store.create(workspace.settings.bucket, f"{WRITTEN}/{objects}", b"", "text/plain")
    ours.seconds.clear()
    ours.verdicts.clear()


def _rounds(sides: list[Deployment], rounds: int) -> None:
    """The same uploads to each, in turn; then a model is trained on new data after each upload."""
    for number in range(rounds):
        for one in sides if number % 2 else sides[::-1]:
            one.score()
            console.print(f"  {one.name}: PUT to verdict {one.verdicts[-1]:.2f} s", style="dim")
    for number in range(rounds):
        for one in sides if number % 2 else sides[::-1]:
            one.train()


def _figures(without: Deployment, past: Deployment, looks: dict[str, Any]) -> list[Figure]:
    ratios = [("verdict_p50_ratio", past.verdicts, without.verdicts)]
    ratios += [(f"{name}_ratio", past.seconds[step], without.seconds[step]) for name, step in LOOKS.items()]
    covers = "the steps of the DAGs, forked as Airflow forks tasks, without Airflow's own time"
    told = [
        Figure(
            name=name,
            value=round(median(ours) / median(theirs), 3),
            unit="x",
            baseline=round(median(theirs), 3),
            goal=1.2,
            reason=covers if name.startswith("verdict") else "",
        )
        for name, ours, theirs in ratios
    ]
    sweep, before = looks["sweep"], looks["sweep_without"]
    rate = looks["objects"] / looks["full_look"]
    listed = looks["objects"] / looks["bare_listing"]
    requests = {name: counts.total() / 2 for name, counts in looks["requests"].items()}
    count: dict[str, Any] = {"unit": "requests", "reason": "mean of a training and an inference upload"}
    return [
        *told,
        Figure(
            name="sweep_share_of_time",
            value=round(sweep["share"], 4),
            unit="share",
            goal=0.05,
            reason=f"all watchers together; a sweep takes {sweep['seconds']:.2f} s",
        ),
        Figure(
            name="sweep_extra_mb",
            value=round(sweep["extra_mb"] - before["extra_mb"], 1),
            unit="MB",
            goal=50,
            reason=f"at {looks['objects']:.0f} objects",
        ),
        Figure(
            name="full_look_rate_vs_listing",
            value=round(rate / listed, 3),
            unit="x",
            baseline=round(listed, 1),
            goal=0.7,
            better="higher",
            reason="pages of versions fetched and not parsed",
        ),
        Figure(name="requests_per_upload", value=requests["without"], **count),
        Figure(name="requests_per_upload_with_history", value=requests["with"], **count),
        Figure(
            name="requests_per_upload_vs_few",
            value=round(requests["with"] / requests["few"], 3),
            unit="x",
            baseline=requests["few"],
            goal=1.1,
            reason=f"against {FEW} objects",
        ),
        *_growth(looks["growth"]),
    ]


def _growth(found: dict[str, tuple[int, float]]) -> Iterator[Figure]:
    for name, (objects, size) in found.items():
        told = "with all that follows, the upload itself included"
        yield Figure(name=f"objects_per_{name}", value=objects, unit="objects", reason=told)
        yield Figure(name=f"stored_kb_per_{name}", value=size, unit="KB", reason=told)


def _looks(past: Deployment, without: Deployment) -> dict[str, Any]:
    """Sweep and full look, after a first one of each: what is derived from the past is made by that.

    Listings and full looks take turns, so that both see the same machine.
    """
    found: dict[str, Any] = {"sweep_without": without.measured("sweep")}
    past.measured("sweep")
    found["sweep"] = past.measured("sweep")
    past.measured("full_look")
    turns = [(past.measured("bare_listing"), past.measured("full_look")) for _ in range(LISTINGS)]
    return found | {
        "full_look": median(look["seconds"] for _, look in turns),
        "bare_listing": median(listing["seconds"] for listing, _ in turns),
        "objects": turns[0][0]["objects"],
    }


def _print_requests(found: Mapping[str, Counter[str]]) -> None:
    """The kinds of requests whose numbers differ between the sides."""
    console.print(f"  requests of a training and an inference upload: {' / '.join(found)}", style="dim")
    for asked in sorted({kind for counts in found.values() for kind in counts}):
        counts = [counts[asked] for counts in found.values()]
        if len(set(counts)) > 1:
            console.print(f"    {' / '.join(map(str, counts))} {asked}", style="dim", markup=False)


def main(
    history: Annotated[int, typer.Option(min=0, help="Decided objects.")] = 100_000,
    days: Annotated[int, typer.Option(min=1, help="Days over which they landed.")] = 100,
    rounds: Annotated[int, typer.Option(min=1, help="Uploads to each side.")] = 5,
    folder: Annotated[
        Path | None, typer.Option(help="Keeps the store and its past, for another run with the same numbers.")
    ] = None,
) -> None:
    """Measure, print, and write .iris/results/bench-history.json."""
    with (
        tempfile.TemporaryDirectory(prefix="iris-history-") as name,
        deployments((folder or Path(name)).resolve()) as (store, sides),
    ):
        without, past, few = sides
        for one, objects in ((without, 0), (past, history), (few, min(history, FEW))):
            prepare(store, one, objects, days)
        _rounds([without, past], rounds)
        looks = _looks(past, without)
        looks["growth"] = without.growth()
        looks["requests"] = {one.name: one.requests() for one in sides}
        found = _figures(without, past, looks)
    _print_requests(looks["requests"])
    for step in without.seconds:
        medians = " / ".join(f"{median(one.seconds[step]):.2f}" for one in (without, past))
        console.print(f"  {step}: {medians} s without / with a past", style="dim", markup=False)
    for figure in found:
        goal = "" if figure.goal is None else f"goal {figure.goal:g}: {'met' if figure.met else 'missed'}"
        told = f"{figure.name:<34} {figure.value} {figure.unit:<9} {goal} {figure.reason}"
        console.print(told, markup=False)
    parameters = {"history": history, "days": days, "rounds": rounds, "store": store}
    write_figures(find_home(), "bench-history", found, parameters)


if __name__ == "__main__":
    typer.run(main)
