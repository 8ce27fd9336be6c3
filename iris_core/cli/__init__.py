"""The command `iris`: uploads, ledger, scores and verdicts, and commands that other packages add.

Heavy imports stay inside the commands, so that `iris --help` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from iris_core.cli import approval, cards, data, decisions, doctor, drift, labels, project, scoring, status
from iris_core.cli.deployment import chosen_compose
from iris_core.cli.extensions import add_commands
from iris_core.errors import IrisError

_EPILOG = "Start with: iris demo, then open the links it prints; iris down ends everything."


class Commands(TyperGroup):
    """Shows our own errors as one message with exit code 1; other errors keep their traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except IrisError as error:
            console = Console(stderr=True, highlight=False, soft_wrap=True)
            console.print(f"[bold red]error[/] {escape(str(error))}")
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=Commands,
    name="iris",
    help="Iris MLOps Pipelines on this machine: a CSV in the bucket becomes a model, scores and a verdict.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)


@app.callback()
def choose(
    context: typer.Context,
    project: Annotated[
        str,
        typer.Option(
            help="Which of several projects the command is about; by default the default project.",
            envvar="IRIS_PROJECT",
        ),
    ] = "",
    compose: Annotated[
        Path | None,
        typer.Option(help="Use the stack of docker-compose.yml that runs with this .env, not the local one."),
    ] = None,
) -> None:
    """Iris MLOps Pipelines: a CSV in the bucket becomes a model, scores and a drift verdict."""
    chosen_compose.set(compose)
    if project:
        from iris_core.settings.projects import chosen_project
        from iris_core.settings.values import bare

        chosen = chosen_project.set(bare(project))
        context.call_on_close(lambda: chosen_project.reset(chosen))


add_commands(app)
for command in (
    project.init,
    status.status,
    data.upload,
    labels.labels,
    scoring.score,
    scoring.replay,
    decisions.explain,
    cards.card,
    approval.approve,
    approval.refuse,
    decisions.rollback,
    decisions.retry,
    doctor.doctor,
):
    app.command()(command)
app.command("try")(project.try_table)
app.add_typer(drift.drift, name="drift")
app.add_typer(decisions.ledger_app, name="ledger")
