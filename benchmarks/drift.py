"""`make bench-drift`: exact statistics beside merely parsing, the whole report beside Evidently's default.

Everything is measured in a process of its own, one after the other, on the same files. Times begin after the
imports, those at first use included, and with the garbage collector kept away from them, as in a worker; they
end with the result in memory. Peak memory is the process's, imports included.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from devstack.figures import Figure, write_figures
from devstack.home import find_home

SHARE_GOAL, TIMES_GOAL, PEAK_GOAL, PROFILE_GOAL = 0.7, 6.0, 500.0, 2.0
CLASSES = ("setosa", "versicolor", "virginica")
BLOCK, FIRST_ROWS = 500_000, 1_000
MODEL, PROFILE = "model", "profile.parquet"
REPEATS = 3


def parse(files: list[Path]) -> Callable[[], Any]:
    """polars parses the features' columns of a CSV."""
    import polars as pl

    from iris_core.settings import load_project

    names = load_project().table.feature_names
    scan = pl.scan_csv(files[0], schema_overrides=dict.fromkeys(names, pl.Float64))
    return lambda: scan.select(names).collect().height


def statistics(files: list[Path]) -> Callable[[], Any]:
    """Exact statistics of the same columns, read as a report reads them."""
    from iris_core.drift.statistics import merge_tables, of_batches, of_frame
    from iris_core.settings import load_project
    from iris_core.tables import LocalInput, Wanted, read

    names = load_project().table.feature_names

    def work() -> int:
        found = of_batches((), names)
        source = read(LocalInput(files[0]), Wanted(names))
        for part in source.each(lambda batch: of_frame(batch.features, names)):
            found = merge_tables(found, part)
        return found[names[0]].count

    return work


def report(files: list[Path]) -> Callable[[], Any]:
    """Our report: both tables read, exact statistics, Evidently's pinned tests and its page, the verdict."""
    import evidently.metrics  # noqa: F401
    import pandas as pd  # noqa: F401

    from iris_core.drift.sides import compare, read_side
    from iris_core.settings import load_project
    from iris_core.tables import LocalInput

    table = load_project().table

    def work() -> str:
        reference, current = (read_side(LocalInput(file), table) for file in files)
        verdict, tested = compare(reference, current, table)
        return f"{verdict.severity}, {len(tested.html)} characters of HTML"

    return work


def prepare(files: list[Path]) -> Callable[[], Any]:
    """Train on a table; its model and profile go to the folder named second."""
    import mlflow
    import pandas as pd  # noqa: F401
    import polars as pl

    from iris_core.drift.sides import read_side
    from iris_core.models.holdout import TrainingTable
    from iris_core.models.profile import profile_of
    from iris_core.settings import load_project
    from iris_core.tables import LocalInput
    from iris_core.training import TrainingConfig, fit

    table, (source, folder) = load_project().table, files

    def work() -> str:
        frames: list[pl.DataFrame] = []
        side = read_side(LocalInput(source), table, frames.append)
        learnt = TrainingTable(pl.concat(frames).to_pandas(), side, table)
        fitted = fit(learnt.frame, TrainingConfig(table=table))
        mlflow.sklearn.save_model(
            fitted.pipeline, folder / MODEL, serialization_format="skops", pip_requirements=["scikit-learn"]
        )
        data = profile_of(learnt, fitted.parts, fitted.pipeline).to_bytes()
        (folder / PROFILE).write_bytes(data)
        return f"a profile of {len(data)} bytes"

    return work


def with_profile(files: list[Path]) -> Callable[[], Any]:
    """A report on a batch, from the model's profile."""
    import hashlib

    import evidently.metrics  # noqa: F401
    import pandas as pd  # noqa: F401

    from iris_core.drift.known import Known
    from iris_core.drift.sides import compare, read_side
    from iris_core.models.profile import Profile
    from iris_core.settings import load_project
    from iris_core.tables import LocalInput

    table, (_, folder, batch) = load_project().table, files
    digest = hashlib.sha256((folder / PROFILE).read_bytes()).hexdigest()

    def work() -> str:
        profile = Profile.from_bytes((folder / PROFILE).read_bytes(), digest)
        current = read_side(LocalInput(batch), table)
        verdict, _ = compare(profile.side(table), current, table, Known(weights=profile.weights or {}))
        return f"{verdict.severity}: {verdict.sentence}"

    return work


def without_profile(files: list[Path]) -> Callable[[], Any]:
    """The same report from the training table and the model, as reports were made before."""
    import evidently.metrics  # noqa: F401
    import pandas as pd  # noqa: F401
    import skops.io  # noqa: F401
    from mlflow.models import Model

    from iris_core.drift.known import Known
    from iris_core.drift.sides import Side, compare, read_side
    from iris_core.models.loading import estimator_of
    from iris_core.models.profile import feature_weights, predicted_classes
    from iris_core.settings import load_project
    from iris_core.tables import LocalInput

    table, (source, folder, batch) = load_project().table, files

    def work() -> str:
        current = read_side(LocalInput(batch), table)
        found = read_side(LocalInput(source), table)
        path = folder / MODEL
        model = estimator_of(path, dict(Model.load(str(path)).flavors), str(path))
        answers = predicted_classes(model, found.sample.select(table.feature_names))
        reference = Side(found.statistics, found.sample.with_columns(answers))
        known = Known(weights=feature_weights(model, table.feature_names) or {})
        verdict, _ = compare(reference, current, table, known)
        return f"{verdict.severity}: {verdict.sentence}"

    return work


def evidently(files: list[Path]) -> Callable[[], Any]:
    """Evidently's default preset on both tables, read by pandas, with JSON and HTML."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    from iris_core.settings import load_project

    names = list(load_project().table.feature_names)

    def work() -> str:
        definition = DataDefinition(numerical_columns=names, categorical_columns=["prediction"])
        reference, current = (
            Dataset.from_pandas(pd.read_csv(file, usecols=[*names, "prediction"]), data_definition=definition)
            for file in files
        )
        snapshot = Report([DataDriftPreset()], include_tests=True).run(current, reference)
        return f"{len(snapshot.json())}, {len(snapshot.get_html_str(as_iframe=False))} characters of HTML"

    return work


MODES = {
    work.__name__: work
    for work in (parse, statistics, report, evidently, prepare, with_profile, without_profile)
}


def measured(mode: str, *files: Path) -> dict[str, Any]:
    """Run one mode in a process of its own: seconds, peak MB, and what it found."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.drift", "--mode", mode]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{mode:<15} {found['seconds']:7.2f} s {found['peak_mb']:7.0f} MB   {found['result']}", flush=True)
    return found


def _profiles(folder: Path, rows: int, batch_rows: int) -> Figure:
    """A report on a batch by the profile of a model, and by the table that it was trained on."""
    from iris_core.settings import load_project

    source = write_table(folder / "training.csv", rows, 5, load_project().table.target)
    batch = write_table(folder / "batch.csv", batch_rows, 6)
    measured("prepare", source, folder)
    runs = [
        [measured(mode, source, folder, batch) for mode in ("without_profile", "with_profile")]
        for _ in range(REPEATS)
    ]
    without, given = (sorted(run[which]["seconds"] for run in runs)[REPEATS // 2] for which in range(2))
    return Figure(
        name="report_with_profile_vs_without",
        value=round(without / given, 1),
        unit="x",
        goal=PROFILE_GOAL,
        better="higher",
    )


def _measure(mode: str, files: list[Path]) -> None:
    import resource

    work = MODES[mode](files)
    if mode != "prepare":
        _use_once(mode, files)
    began = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "result": str(result)}))


def _use_once(mode: str, files: list[Path]) -> None:
    """Do the same with the first rows of the files; freeze what there is then, as the process does that forks
    workers."""
    with tempfile.TemporaryDirectory(prefix="iris-bench-") as folder:
        small = [file if file.is_dir() else Path(folder) / file.name for file in files]
        for whole, first in zip(files, small, strict=True):
            if whole != first:
                with whole.open("rb") as file:
                    first.write_bytes(b"".join(islice(file, FIRST_ROWS)))
        MODES[mode](small)()
    gc.collect()
    gc.freeze()


def write_table(path: Path, rows: int, seed: int, column: str = "prediction") -> Path:
    """Normal features with two decimals, and a class in `column`."""
    import polars as pl

    from iris_core.settings import load_project

    names, rng = load_project().table.feature_names, np.random.default_rng(seed)
    with path.open("wb") as file:
        for start in range(0, rows, BLOCK):
            n = min(BLOCK, rows - start)
            frame = pl.DataFrame(rng.normal(5, 1, (n, len(names))).round(2), schema=list(names))
            classes = pl.Series(column, np.array(CLASSES)[rng.integers(0, len(CLASSES), n)].tolist())
            frame.with_columns(classes).write_csv(file, include_header=start == 0)
    return path


def main(
    files: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    mode: Annotated[str, typer.Option(hidden=True)] = "",
    rows: Annotated[int, typer.Option(help="For statistics and parsing.")] = 10_000_000,
    report_rows: Annotated[int, typer.Option(help="For the report: of either table.")] = 1_000_000,
    batch_rows: Annotated[
        int, typer.Option(help="Of the batch that is reported on with a profile.")
    ] = 10_000,
) -> None:
    """Measure, print, and write `.iris/results/bench-drift.json`."""
    if mode:
        _measure(mode, files or [])
        return
    with tempfile.TemporaryDirectory(prefix="iris-bench-") as folder:
        large = write_table(Path(folder) / "large.csv", rows, 1)
        pair = [write_table(Path(folder) / f"{side}.csv", report_rows, 2 + side) for side in range(2)]
        runs = [(measured("parse", large), measured("statistics", large)) for _ in range(REPEATS)]
        ours, theirs = measured("report", *pair), measured("evidently", *pair)
        profiles = _profiles(Path(folder), report_rows, batch_rows)
    parsing, counting = (sorted(run[which]["seconds"] for run in runs)[REPEATS // 2] for which in range(2))
    share, times = parsing / counting, theirs["seconds"] / ours["seconds"]
    figures = [
        Figure(
            name="stats_share_of_parse", value=round(share, 2), unit="x", goal=SHARE_GOAL, better="higher"
        ),
        Figure(
            name="report_1m_vs_evidently", value=round(times, 1), unit="x", goal=TIMES_GOAL, better="higher"
        ),
        Figure(
            name="report_1m_peak_mb",
            value=round(ours["peak_mb"]),
            unit="MB",
            baseline=round(theirs["peak_mb"]),
            goal=PEAK_GOAL,
        ),
        profiles,
        Figure(name="stats_seconds", value=round(counting, 2), unit="s", baseline=round(parsing, 2)),
        Figure(
            name="report_1m_seconds",
            value=round(ours["seconds"], 2),
            unit="s",
            baseline=round(theirs["seconds"], 2),
        ),
    ]
    write_figures(
        find_home(),
        "bench-drift",
        figures,
        {"rows": rows, "report_rows": report_rows, "batch_rows": batch_rows},
    )
    for figure in figures:
        print(f"{figure.name:<32} {figure.value} {figure.unit}  goal {figure.goal}  met {figure.met}")


if __name__ == "__main__":
    typer.run(main)
