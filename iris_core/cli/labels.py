"""`iris labels`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from iris_core.cli.deployment import deployed_workspace
from iris_core.cli.screen import AsJson, Screen, print_json

if TYPE_CHECKING:
    from iris_core.labels import Measured
    from iris_core.ledger.records.performance import ModelPerformance


def labels(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, readable=True, help="CSV (gzip, too) or Parquet: id and label."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Join a file of labels to past predictions, and show how right they were, without Airflow.

    Records nothing. To record the result, upload the file: iris upload FILE --as labels.
    The id is the column that table.key in project.json names; predictions have it if the scored table had it.

    Examples:

      iris labels answers.csv

      iris labels answers.csv --json | jq '.models[].accuracy'
    """
    from iris_core.labels import preview, told
    from iris_core.tables import LocalInput

    workspace = deployed_workspace()
    found = preview(workspace, LocalInput(file))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    for one in sorted(found.models.values(), key=lambda one: -one.model.version):
        _print(one)
    matched = f"{found.matched:,} of {found.labels:,} labels matched a prediction"
    summary = matched if found.models else told(workspace, found)
    Screen().console.print(escape(summary) + _left_out(found))


def _print(found: ModelPerformance) -> None:
    """Print a model version's confusion matrix with precision and recall."""
    console = Screen().console
    console.print(
        f"[bold]version {found.model.version}[/]: accuracy {found.accuracy:.3f} on {found.joined:,} rows"
    )
    predicted = list(found.per_class)
    table = Table("label", box=None, pad_edge=False)
    for name in (*(f"→ {name}" for name in predicted), "precision", "recall"):
        table.add_column(escape(name), justify="right")
    for label, quality in found.per_class.items():
        counts = (f"{found.agreement.get(label, {}).get(name, 0):,}" for name in predicted)
        shares = (_share(share) for share in (quality.precision, quality.recall))
        table.add_row(escape(label), *counts, *shares)
    console.print(table)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _left_out(found: Measured) -> str:
    counts = {
        "without a label": found.unlabelled,
        "with a label that is no class": found.unknown_labels.count,
        "said twice": found.duplicate,
        "with several labels, left out": found.conflicting,
    }
    told = [f"{count:,} {what}" for what, count in counts.items() if count]
    return f" ({', '.join(told)})" if told else ""
