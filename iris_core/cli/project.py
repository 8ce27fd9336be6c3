"""`iris init`, `iris try`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from iris_core.cli.options import writable
from iris_core.cli.screen import AsJson, Screen, coloured, print_json
from iris_core.errors import ConfigError

if TYPE_CHECKING:
    from iris_core.trial import Proposal, Rehearsal

Given = Annotated[
    Path,
    typer.Option("--from", exists=True, dir_okay=False, readable=True, help="CSV (gzip, too) or Parquet."),
]


def init(
    given: Given,
    target: Annotated[str, typer.Option(help="The column with the class; asked for on a terminal.")] = "",
    out: Annotated[
        Path, typer.Option(callback=writable, help="The file to write; never one that exists.")
    ] = Path("project.json"),
    name: Annotated[str, typer.Option(help="The project's name; by default from the table's file.")] = "",
    as_json: AsJson = False,
) -> None:
    """Look at a table and write a project.json for it: features, ranges, levels, classes, key, metric.

    Says what it found in each column, and what it doubts: read that, and correct the file. Columns that are
    left out are carried through scoring.

    Examples:

      iris init --from customers.csv --target churned

      IRIS_PROJECT_FILE=wine/project.json iris try wine.csv
    """
    from iris_core.settings.project import Project
    from iris_core.tables.inputs import LocalInput
    from iris_core.trial import propose

    if out.exists():
        raise ConfigError(f"{out} exists and is not written over. Name another file with --out.")
    proposal = propose(LocalInput(given), target or _asked(given), name or given.name.split(".")[0])
    Project.model_validate(proposal.project)
    with out.open("x", encoding="utf-8") as file:
        file.write(json.dumps(proposal.project, indent=2, ensure_ascii=False) + "\n")
    if as_json:
        print_json({"file": out, "found": dict(proposal.found), "doubts": proposal.doubts})
    else:
        _show(proposal, out, given)


def _asked(given: Path) -> str:
    """The target, asked for on a terminal.

    :raises ConfigError: nobody is there to ask.
    """
    if not sys.stdin.isatty():
        raise ConfigError(f"Which column of {given} is the class? Name it with --target.")
    return str(typer.prompt("Which column is the class?"))


def _show(proposal: Proposal, out: Path, given: Path) -> None:
    console = Screen().console
    for column, what in proposal.found:
        console.print(f"  {escape(column)}: {escape(what)}")
    if proposal.doubts:
        console.print("[yellow]doubtful[/], look at these:")
    for doubt in proposal.doubts:
        console.print(f"  {escape(doubt)}")
    console.print(
        f"Wrote {escape(str(out))}. Next: IRIS_PROJECT_FILE={escape(str(out))} iris try {escape(str(given))}"
    )


def try_table(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The training table.")
    ],
    test: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, readable=True, help="A table to score and compare."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what the pipelines would say of a table: validate, train, judge, score, compare. Records nothing.

    The model is judged as a first one: what a champion would say is only known where one is staged. Exit
    code 1 if a table is refused, or the gate would not stage the model.

    Examples:

      iris try iris_train.csv

      IRIS_PROJECT_FILE=wine/project.json iris try wine.csv --test today.csv
    """
    from iris_core.settings.variables import load_settings
    from iris_core.tables.inputs import LocalInput
    from iris_core.trial import rehearse

    settings = load_settings()
    with Screen().awaiting(f"Trying {file.name}"):
        found = rehearse(settings, LocalInput(file), LocalInput(test) if test else None)
    if as_json:
        print_json(_as_json(found))
    else:
        _tell(found)
    if not found.verdict.passed:
        raise typer.Exit(1)


def _as_json(found: Rehearsal) -> dict[str, Any]:
    return {
        "rows": found.validated.rows,
        "class_counts": found.validated.class_counts,
        "metrics": found.fitted.metrics,
        "search": [tried.model_dump() for tried in found.fitted.tries],
        "promoted": found.verdict.passed,
        "checks": [check.model_dump() for check in found.verdict.checks],
        "scored": found.scored.model_dump(include={"rows", "rejected", "classes"}) if found.scored else None,
        "severity": found.drift.severity if found.drift else None,
        "sentence": found.drift.sentence if found.drift else None,
    }


def _tell(found: Rehearsal) -> None:
    console = Screen().console
    counts = ", ".join(f"{count:,} {name}" for name, count in found.validated.class_counts.items())
    console.print(f"[green]validated[/] {found.validated.rows:,} rows: {escape(counts)}")
    rows = len(found.fitted.parts.holdout)
    metrics = found.fitted.metrics
    positive = (
        f"; positive class: precision {metrics['precision']:.3f}, recall {metrics['recall']:.3f}"
        if "recall" in metrics
        else ""
    )
    console.print(f"[green]trained[/] accuracy {metrics['accuracy']:.3f} on {rows:,} holdout rows{positive}")
    for tried in found.fitted.tries:
        console.print(f"  tried {escape(str(tried.parameters))}: {tried.score:.4f}")
    verdict = "[green]would be staged[/]" if found.verdict.passed else "[bold red]would be refused[/]"
    console.print(verdict)
    for check in found.verdict.checks:
        console.print(f"  {'✓' if check.passed else '✗'} {escape(check.sentence)}")
    if found.scored and found.drift:
        classes = ", ".join(f"{count:,} {name}" for name, count in found.scored.classes.items())
        rows, rejected = found.scored.rows, found.scored.rejected
        console.print(f"[green]scored[/] {rows:,} rows, {rejected:,} rejected: {escape(classes)}")
        console.print(f"drift {coloured(found.drift.severity)}: {escape(found.drift.sentence)}")
