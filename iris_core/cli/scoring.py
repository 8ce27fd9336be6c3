"""`iris score`, `iris replay`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from iris_core.cli.deployment import open_workspace
from iris_core.cli.screen import AsJson, Screen, print_json

LINE_EVERY_S = 10.0


def score(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV (gzip, too) or Parquet.")
    ],
    model: Annotated[str, typer.Option(help="A version's number, or an alias.")] = "staging",
    out: Annotated[
        Path | None, typer.Option(help="Where to; else beside FILE as FILE.predictions.csv.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a file on this machine with a registered model: the code of the pipeline, without Airflow.

    The output has the columns of FILE, then prediction, model_version and source_row. Rows that cannot be
    scored go to OUT.rejects.csv, with their numbers and reasons. MLflow is asked for the model; nothing is
    recorded.

    Examples:

      iris score today.csv

      iris score today.csv --model 3 --out scored.csv
    """
    from iris_core.scoring.local_file import score_file

    workspace = open_workspace()
    suffix = workspace.settings.predictions_format
    target = out or file.with_name(f"{file.name}.predictions.{suffix}")
    with _watching(file) as watch:
        done = score_file(workspace, file, model, target, watch)
    counts, found = done.counts, done.counts.quality
    if as_json:
        shown = counts.model_dump(include={"rows", "rejected", "classes", "unknown_labels"})
        where = {"out": done.out, "rejects": done.rejects, "model_version": done.model_version}
        print_json({**where, **shown, "accuracy": found.accuracy if found else None, "seconds": done.seconds})
        return
    told = f"{counts.rows:,} rows with version {done.model_version} to {escape(str(done.out))}"
    told += f" in {done.seconds:.1f} s ({_rate(counts.rows, done.seconds)})"
    if done.rejects:
        told += f"; {counts.rejected:,} rejected, see {escape(str(done.rejects))}"
    if found:
        told += f"; accuracy {found.accuracy:.3f}"
    Screen().console.print(told)
    if unknown := counts.unknown_labels.sentence(workspace.settings.project.table.classes):
        Screen().console.print(escape(unknown))


Watch = Callable[[int, int], None]


@contextmanager
def _watching(file: Path) -> Iterator[Watch]:
    """A bar with rows/s and the time left on a terminal; elsewhere a line every ten seconds."""
    console = Screen().console
    if not console.is_terminal:
        yield _lines(console, file)
        return
    text = TextColumn("{task.description}")
    with Progress(text, BarColumn(), TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(f"{escape(file.name)}: loading the model", total=None)
        began = time.monotonic()

        def watch(rows: int, place: int) -> None:
            nonlocal began
            if not rows:
                began = time.monotonic()
                progress.reset(task, total=file.stat().st_size)
            rate = _rate(rows, time.monotonic() - began)
            progress.update(task, completed=place, description=f"{escape(file.name)} {rows:,} rows, {rate}")

        yield watch


def _lines(console: Console, file: Path) -> Watch:
    began = said = time.monotonic()

    def watch(rows: int, place: int) -> None:
        nonlocal began, said
        now = time.monotonic()
        if not rows:
            began = said = now
        elif now - said >= LINE_EVERY_S:
            said = now
            share = min(1.0, place / max(1, file.stat().st_size))
            console.print(f"{escape(file.name)} {rows:,} rows, {share:.0%}, {_rate(rows, now - began)}")

    return watch


def _rate(rows: int, seconds: float) -> str:
    return f"{rows / max(seconds, 1e-3):,.0f} rows/s"


def replay(
    scoring: Annotated[str, typer.Argument(help="A scoring record's path, scoring/DAY/OBJECT/MODEL.")],
    as_json: AsJson = False,
) -> None:
    """Score again from a scoring's manifest, and compare with what was published, byte for byte.

    Exit code 1 when it differs, with what explains it: input gone, model or library changed.

    Examples:

      iris replay scoring/2026-11-23/0a1b2c3d4e5f60718293a4b5c6d7e8f9/v3-1a2b3c4d
    """
    from iris_core.scoring.replay import replay as play

    done = play(open_workspace(), scoring)
    if as_json:
        print_json(asdict(done))
    elif done.same:
        Screen().console.print(f"[green]the same[/], byte for byte: {done.rows:,} rows")
    else:
        Screen().console.print("[bold red]different[/]")
        for reason in done.reasons:
            Screen().console.print(f"  {escape(reason)}")
    if not done.same:
        raise typer.Exit(1)
