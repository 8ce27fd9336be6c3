"""`iris doctor`: checks that the deployment works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from iris_core.cli.deployment import airflow_of, chosen_compose, deployed_projects, deployed_workspace
from iris_core.cli.screen import AsJson, Screen, print_json

if TYPE_CHECKING:
    from iris_core.doctor import Diagnosis

_MARKS = {"well": "[green]✓[/]", "note": "[yellow]•[/]", "ill": "[bold red]✗[/]"}


def doctor(
    airflow: Annotated[
        str, typer.Option(help="Airflow's address; by default that of the chosen stack.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Check projects, store, credentials, MLflow, Airflow and owed work: a line for each, and what to do.

    Exit code 0 if everything works, else 1. Objects that it writes for a check are removed again.
    The login for an Airflow that is not a stack's: IRIS_AIRFLOW_USER, IRIS_AIRFLOW_PASSWORD.

    Examples:

      iris doctor

      iris --compose .env doctor

      iris --project penguins doctor

      iris doctor --airflow https://airflow.example.com --json | jq '.[] | select(.level == "ill")'
    """
    from iris_core.doctor import check_projects, examine, is_fit

    found = list(check_projects(deployed_projects()))
    found += examine(deployed_workspace(), airflow_of(airflow), is_uploader=bool(chosen_compose.get()))
    if as_json:
        print_json([finding.as_json() for finding in found])
    else:
        show(found, Screen())
    raise typer.Exit(0 if is_fit(found) else 1)


def show(findings: list[Diagnosis], screen: Screen) -> None:
    """Print a line for each finding."""
    for finding in findings:
        todo = f" [bold]→[/] {escape(finding.todo)}" if finding.todo else ""
        screen.console.print(f"{_MARKS[finding.level]} {finding.check}: {escape(finding.said)}{todo}")
