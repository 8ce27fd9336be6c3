"""`iris score`, `iris replay`."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from iris_core.cli.deployment import deployed_workspace
from iris_core.cli.options import writable
from iris_core.cli.screen import AsJson, Screen, print_json

if TYPE_CHECKING:
    from iris_core.tables import LocalInput

LINE_EVERY_S = 10.0
PIPE = Path("-")


def _readable(file: Path) -> Path:
    if file != PIPE and not (file.is_file() and os.access(file, os.R_OK)):
        raise typer.BadParameter(f"File {str(file)!r} does not exist, is none, or cannot be read.")
    return file


def score(
    file: Annotated[
        Path,
        typer.Argument(
            callback=_readable,
            help="CSV (gzip, too) or Parquet; - for standard input.",
        ),
    ],
    model: Annotated[str, typer.Option(help="A version's number, or an alias.")] = "staging",
    out: Annotated[
        Path | None,
        typer.Option(
            callback=writable,
            help="The output; by default FILE.predictions.csv, and for - standard output.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a file on this machine with a registered model: the pipeline's code, without Airflow.

    The output has the columns of FILE, then prediction, model_version and source_row. Rows that cannot be
    scored go to OUT.rejects.csv, with their numbers and reasons; from a pipe to a pipe they are only counted.
    The model comes from MLflow. Records nothing.

    Examples:

      iris score today.csv

      iris score today.csv --model 3 --out scored.csv

      cat today.csv | iris score - > scored.csv
    """
    from iris_core.scoring.local_file import score_file

    if out and out.exists() and file != PIPE and out.samefile(file):
        raise typer.BadParameter(f"--out names {str(file)!r}, the table itself. Name another file.")
    to_pipe = file == PIPE and out is None
    if to_pipe and as_json:
        raise typer.BadParameter("Predictions or --json go to standard output, not both: give --out.")
    workspace = deployed_workspace()
    with _on_disk(file) as given:
        path = given.path
        target = out or path.with_name(f"{path.name}.predictions.{workspace.settings.predictions_format}")
        writable(target)
        with _watching(path) as watch:
            done = score_file(workspace, given, model, target, watch)
        if to_pipe:
            with target.open("rb") as scored:
                shutil.copyfileobj(scored, sys.stdout.buffer)
            done = replace(done, out=PIPE, rejects=None)
    counts, found = done.counts, done.counts.quality
    if as_json:
        shown = counts.model_dump(include={"rows", "rejected", "classes", "unknown_labels"})
        where = {"out": done.out, "rejects": done.rejects, "model_version": done.model_version}
        print_json({**where, **shown, "accuracy": found.accuracy if found else None, "seconds": done.seconds})
        return
    told = f"{counts.rows:,} rows with version {done.model_version} to {escape(str(done.out))}"
    told += f" in {done.seconds:.1f} s ({_rate(counts.rows, done.seconds)})"
    if counts.rejected:
        kept = f"see {escape(str(done.rejects))}" if done.rejects else "--out keeps them"
        told += f"; {counts.rejected:,} rejected, {kept}"
    if found:
        told += f"; accuracy {found.accuracy:.3f}"
    Screen().console.print(told)
    if unknown := counts.unknown_labels.sentence(workspace.settings.project.table.classes):
        Screen().console.print(escape(unknown))


@contextmanager
def _on_disk(file: Path) -> Iterator[LocalInput]:
    """The file, or a copy of standard input until the block ends: a table is not always read in order."""
    from iris_core.tables import LocalInput

    if file != PIPE:
        yield LocalInput(file)
        return
    with tempfile.TemporaryDirectory(prefix="iris-score-") as folder:
        copy = Path(folder) / "standard input"
        with copy.open("wb") as kept:
            shutil.copyfileobj(sys.stdin.buffer, kept)
        yield LocalInput(copy, name=copy.name)


Watch = Callable[[int, int], None]


@contextmanager
def _watching(file: Path) -> Iterator[Watch]:
    """Show a bar with rows/s and the time left on a terminal; elsewhere print a line every ten seconds."""
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
    """Repeat a scoring from its manifest and compare the result with the published predictions byte by byte.

    Exit code 1 if they differ; then it prints what may explain it: input gone, model or library changed.

    Examples:

      iris replay scoring/2026-11-23/0a1b2c3d4e5f60718293a4b5c6d7e8f9/v3-1a2b3c4d
    """
    from iris_core.scoring.replay import replay as play

    done = play(deployed_workspace(), scoring)
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
