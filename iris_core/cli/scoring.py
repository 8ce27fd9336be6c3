"""`iris score`, `iris replay`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from iris_core.cli import app
from iris_core.cli.decisions import open_workspace
from iris_core.cli.screen import Screen, print_json
from iris_core.cli.stack import AsJson


@app.command()
def score(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV or Parquet.")],
    model: Annotated[str, typer.Option(help="A version's number, or an alias.")] = "staging",
    out: Annotated[
        Path | None, typer.Option(help="Where to; else beside FILE as FILE.predictions.csv.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a file on this machine with a registered model: the code of the pipeline, without Airflow.

    Rows that cannot be scored go to OUT.rejects.csv, with their numbers and reasons.

    Examples:

      iris score today.csv

      iris score today.csv --model 3 --out scored.csv
    """
    from iris_core.scoring.local_file import score_file

    workspace = open_workspace()
    suffix = workspace.settings.predictions_format
    target = out or file.with_name(f"{file.name}.predictions.{suffix}")
    with _progress() as progress:
        task = progress.add_task(file.name, total=file.stat().st_size, rows=0, rate=0.0)

        def watch(rows: int, place: int) -> None:
            seconds = progress.tasks[task].elapsed or 1e-9
            progress.update(task, completed=place, rows=rows, rate=rows / seconds)

        done = score_file(workspace, file, model, target, watch)
    if as_json:
        print_json(asdict(done))
        return
    told = f"{done.rows:,} rows with version {done.model_version} to {escape(str(done.out))}"
    if done.rejects:
        told += f"; {done.rejected:,} rejected, see {escape(str(done.rejects))}"
    if done.accuracy is not None:
        told += f"; accuracy {done.accuracy:.3f}"
    Screen().console.print(told)


def _progress() -> Progress:
    columns = "{task.description} {task.fields[rows]:,} rows, {task.fields[rate]:,.0f} rows/s"
    return Progress(
        TextColumn(columns), BarColumn(), TimeRemainingColumn(), console=Screen().console, transient=True
    )


@app.command()
def replay(
    scoring: Annotated[str, typer.Argument(help="A scoring record's path, scoring/DAY/OBJECT/MODEL.")],
    as_json: AsJson = False,
) -> None:
    """Score again from a scoring's manifest, and compare with what was published, byte for byte.

    Exit code 1 when it differs, with what explains it: input gone, model or library changed.

    Example:

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
