"""The gate's rates, and exactly one staged version under concurrency.

    python -m benchmarks.gate --seeds 200 --rows 120 --rounds 25

Each seed plants every poison in the training rows only and in the whole table (benchmarks.trial), as the
first model and before a sound champion; a model equal to its champion, a better one, and a sound first model.
The plays of benchmarks.planted run for a quarter of the seeds; the slow loss runs once for holdouts of 24 to
10,000 rows. Each round promotes four models at once, with a sqlite MLflow and the embedded object store.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import chdir, contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import planted as families
from benchmarks.ratchet import ratchet
from benchmarks.trial import Outcome, Trial
from devstack.embedded_s3 import embedded_s3
from devstack.figures import Figure, write_figures
from devstack.home import find_home
from devstack.iris_tables import split_iris
from iris_core import models, promotion, training
from iris_core.errors import RegistryError
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace, access_from_settings, open_workspace
from iris_core.models import tracking
from iris_core.promotion.measurement import Limits
from iris_core.settings.variables import load_settings
from iris_core.store.objects import StoreAccess

AT_ONCE = 4
ATTEMPTS = 7
"""As many as Airflow makes when the registry answers with an error."""
POOL = 2
RATCHET_ROWS = (24, 120, 2_000, 10_000)
"""Rows of each holdout; the figure is that of the last."""
console = Console(width=120)
Came = dict[str, list[bool]]


def trial(rows: int) -> Trial:
    """The trial with this checkout's training and limits."""
    settings = load_settings({})
    config = training.TrainingConfig(table=settings.project.table)
    limits = Limits(settings.accuracy_threshold, settings.promotion_margin)
    return Trial(
        settings.project.table,
        lambda part: training.recipe(config).fit(part.features, part.labels),
        limits,
        rows,
    )


def planted(rows: int, seeds: int) -> list[Outcome]:
    """The gate's verdicts on all planted models."""
    judged: list[Outcome] = []
    on_trial = trial(rows)
    for seed in track(range(seeds), "planting models", console=console, transient=True):
        judged += on_trial.poisoned(seed)
        judged += [on_trial.equal(seed), on_trial.better(seed), on_trial.first(seed)]
    return judged


def played(seeds: int) -> Came:
    """The results of all plays of benchmarks.planted, by name."""
    came: Came = defaultdict(list)
    with ProcessPoolExecutor(POOL, get_context("spawn")) as pool:
        for play in (families.suspects, families.discrete, families.imbalanced):
            for results in pool.map(partial(_listed, play), range(seeds)):
                for name, result in results:
                    came[name].append(result)
    return came


def _listed(play: Callable[[int], families.Came], seed: int) -> list[tuple[str, bool]]:
    return list(play(seed))


def slow_losses() -> dict[int, float]:
    """The loss of fifty models together, by the rows of each holdout."""
    with ProcessPoolExecutor(POOL, get_context("spawn")) as pool:
        found = pool.map(partial(ratchet, 0), RATCHET_ROWS)
        return dict(zip(RATCHET_ROWS, found, strict=True))


@contextmanager
def store() -> Iterator[StoreAccess]:
    """The embedded store in a process of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="iris-store-") as folder,
        embedded_s3(Path(folder), access_key="bench") as endpoint,
    ):
        yield StoreAccess(endpoint, "bench", "bench-secret")


def workspace(access: StoreAccess, folder: str, env: str) -> Workspace:
    """A workspace of one environment, with a sqlite MLflow in a folder."""
    settings = load_settings(
        {
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "MLFLOW_S3_ENDPOINT_URL": access.endpoint_url,
            "AWS_ACCESS_KEY_ID": access.access_key_id,
            "AWS_SECRET_ACCESS_KEY": access.secret_access_key,
            "TEAM": "team_bench",
            "PLATFORM_ENV": env,
        }
    )
    opened = open_workspace(settings, access_from_settings(settings))
    opened.store.ensure_bucket(settings.bucket)
    return opened


def trained(space: Workspace) -> list[TrainedRecord]:
    """Four models, each on other flowers; oldest first."""
    records = []
    for seed in range(AT_ONCE):
        table, _ = split_iris(space.settings.project.table, seed)
        space.store.put(space.settings.bucket, space.settings.train_key, table.csv(), "text/csv")
        work = training.train(space, training.reconcile_training(space))
        record = space.ledger.find(TrainedRecord, work.identity)
        assert record is not None
        records.append(record)
    return records


def one_staged(space: Workspace, records: list[TrainedRecord]) -> bool:
    """Promote all at once in a new environment; whether only the newest is staged, and the alias agrees."""
    copies = [space.ledger.commit(record).standing(TrainedRecord) for record in records]
    start = Barrier(len(copies))

    def promote(record: TrainedRecord) -> None:
        start.wait()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                promotion.promote(space, record)
                return
            except RegistryError:
                if attempt == ATTEMPTS:
                    raise

    with ThreadPoolExecutor(len(copies)) as pool:
        list(pool.map(promote, copies))
    found = tracking.client(space.settings).search_model_versions(f"name = '{space.settings.names.model}'")
    staged = [version for version in found if version.current_stage == models.STAGE]
    ref = models.staged(space.settings)
    newest = copies[-1].run_id
    return ref is not None and [v.run_id for v in staged] == [newest] == [ref.run_id]


def concurrent_rounds(rounds: int) -> list[bool]:
    """Whether each round left exactly one staged version, the newest."""
    with store() as access, tempfile.TemporaryDirectory(prefix="iris-mlflow-") as folder, chdir(folder):
        records = trained(workspace(access, folder, "first"))
        numbered = track(range(rounds), "promoting at once", console=console, transient=True)
        return [one_staged(workspace(access, folder, f"round{n}"), records) for n in numbered]


def _share(verdicts: list[bool]) -> float:
    return sum(verdicts) / len(verdicts)


def _print(judged: list[Outcome], rounds: list[bool], rows: int) -> None:
    table = Table("planted", "where", "before", "models", "refused", title=f"the gate, {rows} rows a table")
    groups = Counter((each.kind, each.reading, each.before) for each in judged)
    refused = Counter((o.kind, o.reading, o.before) for o in judged if not o.verdict.passed)
    for group, count in groups.items():
        table.add_row(*group, str(count), f"{refused[group]} ({refused[group] / count:.1%})")
    console.print(table)
    if rounds:
        told = f"{sum(rounds)} of {len(rounds)} rounds of {AT_ONCE} concurrent promotions"
        console.print(f"{told} left exactly one staged version, the newest.")


def figures(judged: list[Outcome], rounds: list[bool]) -> list[Figure]:
    """The figures by their published names."""
    sound = ("equal", "better", "sound")
    poisoned = [not each.verdict.passed for each in judged if each.kind not in sound]
    shares: dict[str, tuple[list[bool], float]] = {
        "poisoned_refused_share": (poisoned, 1.0),
        "equal_accepted_share": ([o.verdict.passed for o in judged if o.kind == "equal"], 0.95),
        "better_accepted_share": ([o.verdict.passed for o in judged if o.kind == "better"], 0.95),
        "first_accepted_share": ([o.verdict.passed for o in judged if o.kind == "sound"], 0.95),
        "one_staged_share": (rounds, 1.0),
    }
    return [_figure(name, verdicts, goal) for name, (verdicts, goal) in shares.items()]


def _figure(name: str, verdicts: list[bool], goal: float) -> Figure:
    measured: dict[str, Any] = {"value": _share(verdicts), "reason": f"of {len(verdicts)}"}
    if not verdicts:
        measured = {"value": None, "reason": "nothing was planted: --seeds or --rounds is 0"}
    return Figure(name=name, unit="share", goal=goal, better="higher", **measured)


def family_figures(came: Came) -> list[Figure]:
    """The figures of benchmarks.planted by their published names: the worst of the sizes."""
    goals = {
        "suspect_held_share_exchanged": ("exchanged", 0.95),
        "suspect_held_share_half_flipped": ("half_flipped", 0.9),
        "suspect_held_share_leak": ("leak", 0.9),
        "suspect_held_share_noise_20": ("noise_20", 0.9),
        "discrete_better_accepted_share": ("better, accepted", 0.95),
        "discrete_worse_refused_share": ("worse, refused", 0.95),
        "imbalanced_good_accepted_share": ("good", 0.9),
        "imbalanced_blind_refused_share": ("blind", 1.0),
    }
    found = [_figure(name, _worst(came, start, min), goal) for name, (start, goal) in goals.items()]
    held = _figure("sound_held_share", _worst(came, "sound", max), 0.02)
    return [*found, held.model_copy(update={"better": "lower"})]


def _worst(came: Came, start: str, choose: Callable[..., list[bool]]) -> list[bool]:
    groups = [results for name, results in came.items() if name.startswith(start)]
    return choose(groups, key=_share) if groups else []


def loss_figure(losses: dict[int, float]) -> Figure:
    """The published figure of the slow loss."""
    told = ", ".join(f"{rows:,}: {loss:.2f}" for rows, loss in losses.items())
    value = losses.get(RATCHET_ROWS[-1])
    reason = f"by holdout rows: {told}" if losses else "nothing was played: --seeds is 0"
    return Figure(name="ratchet_total_loss_50", value=value, unit="share", goal=0.03, reason=reason)


def main(
    seeds: Annotated[int, typer.Option(help="Of each kind of planted model.")] = 200,
    rows: Annotated[int, typer.Option(help="Of each table; a fifth is the holdout.")] = 120,
    rounds: Annotated[int, typer.Option(help="Of four promotions at once.")] = 25,
) -> None:
    """Measure, print, and write .iris/results/bench-gate.json."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    home = find_home()
    judged = planted(rows, seeds)
    came, losses = (played(max(1, seeds // 4)), slow_losses()) if seeds else ({}, {})
    staged = concurrent_rounds(rounds) if rounds else []
    _print(judged, staged, rows)
    for name, results in came.items():
        console.print(f"  {name:<32} {sum(results)} of {len(results)}")
    found = [*figures(judged, staged), *family_figures(came), loss_figure(losses)]
    for figure in found:
        console.print(f"  {figure.name:<32} {figure.value} ({figure.reason}), goal {figure.goal}")
    write_figures(home, "bench-gate", found, {"seeds": seeds, "rows": rows, "rounds": rounds})


if __name__ == "__main__":
    typer.run(main)
