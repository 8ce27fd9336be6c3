"""Hostile objects among sound ones: what the steps of the pipelines make of them.

    python -m benchmarks.hostile --seed 1 --n 200 --files folder

`n` hostile and `n` sound objects are drawn (benchmarks.poison): a fifth is training data, half is inference
data, the rest is labels; each file of `files` is all three. Inference data and labels are sent together and
taken in one run. Training data is sent one after the other, for a newer object supersedes an older. The steps
are those that the DAGs call, each in a process that is forked as Airflow forks a task. Airflow itself is not
there: it would add a minute of starting and two seconds an object, and nothing that reads an upload.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.poison import MARKER, Drawn, answers, flowers, hostile, sound
from benchmarks.poison.sending import NotTaken, send
from benchmarks.worker import Task, Worker
from devstack.embedded_s3 import embedded_s3
from devstack.figures import Figure, write_figures
from devstack.home import find_home
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import ObjectRecord
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace, access_from_settings, open_workspace
from iris_core.settings.places import LEDGER
from iris_core.settings.variables import load_settings
from iris_core.store.objects import ObjectVersion

Purpose = Literal["train", "test", "labels"]
PURPOSES: tuple[Purpose, ...] = (
    "train",
    "test",
    "test",
    "labels",
    "test",
    "train",
    "test",
    "labels",
    "test",
    "labels",
)
"""Of ten objects."""
KINDS = {"train": "training", "test": "scoring", "labels": "performance"}
CLASSES = ("?", "<=50K", "setosa (L.)", "50%", "..", "a/../b", "versicolor", "$x_{", "NA", "1", "=B")
ROWS = {"train": 150, "test": 40}
MOST_RUNS = 5
"""An unforeseen error is tried in a bounded number of runs."""
MOST_RECORD_KB = 64
console = Console(width=140)


@dataclass(frozen=True)
class Sent:
    """An object that was sent: what for, what it is, and the version that it became."""

    purpose: Purpose
    drawn: Drawn
    is_sound: bool
    version: ObjectVersion


@dataclass
class Seen:
    """Every task that ran, and what was slow or large."""

    tasks: list[tuple[str, Task]] = field(default_factory=list)
    objects: dict[str, list[float]] = field(default_factory=dict)
    first_run: set[str] = field(default_factory=set)
    """Digests of the versions that had their record after the first run."""

    def note(self, step: str, task: Task) -> Task:
        """Keep a task, and what it says of its objects."""
        self.tasks.append((step, task))
        self.objects |= task.objects
        return task


@dataclass
class Bench:
    """The deployment under test and the processes that run its steps."""

    workspace: Workspace
    worker: Worker
    reporter: Worker
    seen: Seen = field(default_factory=Seen)
    sent: list[Sent] = field(default_factory=list)

    def step(self, name: str, *args: Any) -> Task:
        """Run a step; drift reports where Evidently is loaded."""
        worker = self.reporter if name == "report" else self.worker
        return self.seen.note(name, worker.run(name, *args))

    def note_time(self, task: Task) -> None:
        """Of training data: the object sent last took this task."""
        name = f"train {self.sent[-1].drawn.kind} {len(self.sent)}"
        seconds = self.seen.objects.get(name, [0.0, 0.0])[0]
        self.seen.objects[name] = [seconds + task.seconds, task.peak_mb]

    def send(self, purpose: Purpose, drawn: Drawn, is_sound: bool) -> None:
        """Put an object where the pipelines look for it; one whose key the store refuses is told and left."""
        settings = self.workspace.settings
        places = {"train": settings.train_key, "test": settings.test_key, "labels": settings.labels_prefix}
        key = places[purpose] + ("" if purpose == "train" else drawn.name)
        try:
            version = send(self.workspace.store.access, settings.bucket, key, drawn.data)
        except NotTaken as error:
            console.print(f"not sent: {drawn.kind}: {error}", style="dim", markup=False)
            return
        self.sent.append(Sent(purpose, drawn, is_sound, version))

    def decided(self) -> dict[str, ObjectRecord]:
        """The last record about each version, by kind and digest."""
        found: dict[str, ObjectRecord] = {}
        for kind in KINDS.values():
            for record in self.workspace.ledger.recent(kind):  # type: ignore[arg-type]
                if isinstance(record, ObjectRecord):
                    found.setdefault(record.about.digest, record)
        return found

    def undecided(self, purpose: Purpose) -> bool:
        """Whether something that was sent has no record yet."""
        decided = self.decided()
        owed = (one for one in self.sent if one.purpose == purpose and one.drawn.kind != MARKER)
        return any(one.version.digest not in decided for one in owed)


@contextmanager
def deployment(seed: int) -> Iterator[Bench]:
    """An embedded store, an MLflow in a file, a project with odd classes, the processes that run steps."""
    with (
        tempfile.TemporaryDirectory(prefix="iris-hostile-") as name,
        embedded_s3(Path(name) / "store", access_key="bench") as endpoint,
    ):
        folder = Path(name)
        project = folder / "project.json"
        project.write_text(json.dumps(_project(random.Random(f"project-{seed}"))), encoding="utf-8")
        environ = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "MLFLOW_S3_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench-secret",
            "TEAM": "team_bench",
            "TEAM_S3_TEST_KEY": "in/",
            "IRIS_PROJECT_FILE": str(project),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        }
        settings = load_settings(environ)
        workspace = open_workspace(settings, access_from_settings(settings))
        workspace.store.ensure_bucket(settings.bucket)
        worker, reporter = Worker(environ, folder), Worker(environ, folder, "--evidently")
        try:
            yield Bench(workspace, worker, reporter)
        finally:
            worker.close()
            reporter.close()


def _project(chance: random.Random) -> dict[str, Any]:
    """Four features, three classes of odd names, a key that labels are joined by."""
    features = [
        {"name": name, "type": "number", "unit": "cm", "min": least, "max": least + 10}
        for name, least in (("length", 3), ("width", 0), ("a/b %", -5), ("depth", 100))
    ]
    classes = chance.sample(CLASSES, 3)
    table = {"features": features, "target": "species", "classes": classes, "key": "id", "min_rows": 30}
    return {"name": "bench", "default_team": "team_bench", "table": table}


def _drawn(bench: Bench, seed: int, n: int, files: Path | None) -> dict[Purpose, list[tuple[Drawn, bool]]]:
    """By purpose: the objects to send and whether each is sound, in a random order."""
    table = bench.workspace.settings.project.table
    chance = random.Random(f"objects-{seed}")
    drawn: dict[Purpose, list[tuple[Drawn, bool]]] = {"train": [], "test": [], "labels": []}
    counts: Counter[str] = Counter()
    scored = flowers(table, random.Random(f"scored-{seed}"), ROWS["test"])
    first = {purpose: chance.randrange(1000) for purpose in drawn}
    drawn["test"].append((Drawn("plain", "first.csv", scored.bytes()), True))
    for number in range(n):
        purpose = PURPOSES[number % len(PURPOSES)]
        counts[purpose] += 1
        place = first[purpose] + counts[purpose]
        for is_sound, draw in ((True, sound), (False, hostile)):
            grid = (
                answers(scored)
                if purpose == "labels"
                else flowers(table, chance, ROWS[purpose], 1000 * number)
            )
            args = () if is_sound else (purpose != "train",)
            drawn[purpose].append((draw(grid, chance, place, *args), is_sound))
    for path in sorted(files.rglob("*")) if files else ():
        if path.is_file():
            for purpose in drawn:
                name = f"file-{len(drawn[purpose])}-{path.name}"
                drawn[purpose].append((Drawn(f"file {path.name}", name, path.read_bytes()), False))
    for objects in drawn.values():
        chance.shuffle(objects)
    return drawn


def _train(bench: Bench, objects: Sequence[tuple[Drawn, bool]]) -> None:
    """Send one after the other, and run the training DAG's steps for each."""
    for drawn, is_sound in track(objects, "training data", console=console, transient=True):
        bench.send("train", drawn, is_sound)
        for _ in range(MOST_RUNS):
            value: Any = None
            for step in ("reconcile", "validate", "train", "register"):
                task = bench.step(step, *([] if step == "reconcile" else [value]))
                bench.note_time(task)
                if task.outcome != "done":
                    break
                value = task.value if step != "register" else value
            if not bench.undecided("train"):
                break


def _score(bench: Bench, objects: Sequence[tuple[Drawn, bool]]) -> None:
    """Send all, and run the inference DAG's steps until nothing is owed; then the drift DAG's."""
    for drawn, is_sound in objects:
        bench.send("test", drawn, is_sound)
    for run in range(MOST_RUNS):
        planned = bench.step("plan")
        if planned.outcome != "done":
            break
        scored = [bench.step("score", shard) for shard in planned.value]
        done = [task.value for task in scored if task.outcome == "done"]
        if done:
            bench.step("publish", done)
        if not run:
            bench.seen.first_run |= bench.decided().keys()
    planned = bench.step("plan_reports")
    for scoring in track(planned.value or (), "drift reports", console=console, transient=True):
        bench.step("report", scoring)


def _label(bench: Bench, objects: Sequence[tuple[Drawn, bool]]) -> None:
    """Send all, and run the drift DAG's step until each has its record."""
    for drawn, is_sound in objects:
        bench.send("labels", drawn, is_sound)
    for run in range(MOST_RUNS):
        bench.step("join_labels")
        if not run:
            bench.seen.first_run |= bench.decided().keys()
        if not bench.undecided("labels"):
            break


def _is_finished(one: Sent, record: ObjectRecord | None, bench: Bench, reported: set[str]) -> bool:
    """Whether a sound object came to its end in the first run: a model, a verdict, answers."""
    if one.purpose == "train":
        return isinstance(record, TrainedRecord)
    if one.version.digest not in bench.seen.first_run:
        return False
    if one.purpose == "labels":
        return isinstance(record, MeasuredRecord) and bool(record.evidence.models)
    rows = ROWS["test"]
    return (
        isinstance(record, ScoredRecord) and record.evidence.rows == rows and record.identity.path in reported
    )


def _is_recorded(one: Sent, record: ObjectRecord | None, reported: set[str]) -> bool:
    """Whether something was decided about a hostile object, and, if it was scored, about its drift.

    Markers are passed over.
    """
    if one.drawn.kind == MARKER:
        return record is None
    return record is not None and (not isinstance(record, ScoredRecord) or record.identity.path in reported)


def _largest_record(bench: Bench) -> float:
    """KB."""
    store, settings = bench.workspace.store, bench.workspace.settings
    records = (item.object.size for item in store.versions(settings.bucket, LEDGER))
    return round(max(records, default=0) / 1024, 1)


def figures(bench: Bench) -> list[Figure]:
    """The figures by their published names."""
    decided = bench.decided()
    reported = {
        record.inputs.scoring
        for record in bench.workspace.ledger.recent("drift")
        if isinstance(record, BatchDriftRecord)
    }
    good = [
        (one, _is_finished(one, decided.get(one.version.digest), bench, reported))
        for one in bench.sent
        if one.is_sound
    ]
    bad = [
        (one, _is_recorded(one, decided.get(one.version.digest), reported))
        for one in bench.sent
        if not one.is_sound
    ]
    for what, objects in (("sound, not finished", good), ("hostile, not recorded", bad)):
        for one, is_right in objects:
            if not is_right:
                record = decided.get(one.version.digest)
                told = f"{record.outcome}: {record.reason}" if record else "no record"
                console.print(
                    f"{what}: {one.purpose} {one.drawn.kind} {one.version.key[:80]!r}: {told[:300]}",
                    markup=False,
                )
    shown = [(step, task) for step, task in bench.seen.tasks if task.outcome in ("traceback", "killed")]
    for step, task in shown:
        console.print(f"{step}: {task.outcome}\n{task.told[-1500:]}", style="red", markup=False)
    peak = max(bench.seen.tasks, key=lambda ran: ran[1].peak_mb)
    slowest = max(bench.seen.objects, key=lambda key: bench.seen.objects[key][0])
    xcom = max(len(json.dumps(task.value)) for _, task in bench.seen.tasks) / 1024
    share: dict[str, Any] = {"unit": "share", "goal": 1, "better": "higher"}
    return [
        Figure(name="sound_finished_share", value=_share(good), reason=f"of {len(good)}", **share),
        Figure(name="hostile_recorded_share", value=_share(bad), reason=f"of {len(bad)}", **share),
        Figure(
            name="tracebacks_shown",
            value=len(shown),
            unit="",
            goal=0,
            reason=f"of {len(bench.seen.tasks)} tasks",
        ),
        Figure(name="peak_rss_mb", value=peak[1].peak_mb, unit="MB", goal=500, reason=f"a task {peak[0]}"),
        Figure(name="slowest_object_s", value=bench.seen.objects[slowest][0], unit="s", reason=slowest[-60:]),
        Figure(name="largest_record_kb", value=_largest_record(bench), unit="KB", goal=MOST_RECORD_KB),
        Figure(name="largest_xcom_kb", value=round(xcom, 1), unit="KB", goal=MOST_RECORD_KB),
    ]


def _share(objects: Sequence[tuple[Sent, bool]]) -> float:
    return sum(is_right for _, is_right in objects) / max(1, len(objects))


def _print(bench: Bench, found: Sequence[Figure]) -> None:
    decided = bench.decided()
    table = Table("sent as", "kind", *("sent", "made use of", "rejected", "other"), title="hostile objects")
    rows: dict[tuple[str, str], Counter[str]] = {}
    for one in bench.sent:
        if not one.is_sound:
            record = decided.get(one.version.digest)
            outcome = str(record.outcome) if record else "none"
            group = {"trained": "used", "scored": "used", "measured": "used", "rejected": "rejected"}
            rows.setdefault((one.purpose, one.drawn.kind), Counter())[group.get(outcome, "other")] += 1
    for (purpose, kind), counts in sorted(rows.items()):
        table.add_row(
            purpose,
            kind,
            *(str(n) for n in (counts.total(), counts["used"], counts["rejected"], counts["other"])),
        )
    console.print(table)
    steps: dict[str, list[float]] = {}
    for step, task in bench.seen.tasks:
        steps.setdefault(step, []).append(task.seconds)
    told = (f"{step} {len(each)} × {sum(each) / len(each):.2f} s" for step, each in steps.items())
    console.print(f"  tasks: {', '.join(told)}", markup=False, style="dim")
    slow = sorted(bench.seen.objects.items(), key=lambda item: -item[1][0])[:5]
    for key, (seconds, peak_mb) in slow:
        console.print(
            f"  {seconds:6.2f} s, {peak_mb:.0f} MB by then: {key[-90:]!r}", markup=False, style="dim"
        )
    for figure in found:
        console.print(
            f"  {figure.name:<24} {figure.value:g} {figure.unit} ({figure.reason}), goal {figure.goal}"
        )


def main(
    seed: Annotated[int, typer.Option(help="Gives the same objects again.")] = 1,
    n: Annotated[int, typer.Option(min=1, help="Hostile objects, and as many sound ones.")] = 200,
    files: Annotated[
        Path | None, typer.Option(exists=True, help="A folder: each file is sent for each purpose.")
    ] = None,
) -> None:
    """Measure, print, and write .iris/results/bench-hostile.json."""
    home = find_home()
    with deployment(seed) as bench:
        drawn = _drawn(bench, seed, n, files)
        first = flowers(bench.workspace.settings.project.table, random.Random(seed), ROWS["train"])
        _train(bench, [(Drawn("plain", "train.csv", first.bytes()), True), *drawn["train"]])
        _score(bench, drawn["test"])
        _label(bench, drawn["labels"])
        found = figures(bench)
        _print(bench, found)
    write_figures(home, "bench-hostile", found, {"seed": seed, "n": n, "files": str(files or "")})


if __name__ == "__main__":
    typer.run(main)
