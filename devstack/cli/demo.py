"""`iris demo`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devstack.cli.screen import Stage
from devstack.cli.stack import local_stack, start
from devstack.interrupts import interruptible
from iris_core.cli.deployment import chosen_compose, deployed_workspace
from iris_core.cli.screen import AsJson, coloured, print_json

if TYPE_CHECKING:
    from devstack.demo import OwnTables, Result, Scene
    from devstack.stack import Stack


SEED_LIMIT = 2**32 - 1
"""NumPy's generators take no larger one."""


def _table(told: str) -> Any:
    """An option that names a table's file."""
    return typer.Option(exists=True, dir_okay=False, readable=True, help=told)


def demo(
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=SEED_LIMIT, help="Chooses the rows to train on; by default others each time."
        ),
    ] = None,
    train: Annotated[
        Path | None,
        _table("A table to train on, in place of Iris; with --test."),
    ] = None,
    test: Annotated[
        Path | None,
        _table("A table to score, in place of Iris; with --train."),
    ] = None,
    hop_bound: Annotated[float, typer.Option(min=1, help="Seconds to wait for each hop.")] = 120.0,
    as_json: AsJson = False,
) -> None:
    """Upload Iris and watch it become a model, scores and a drift verdict; then shift it and see the verdict.

    With `iris --project penguins demo` it is the second example: categories, missing values.

    Starts the stack unless it runs, and leaves it running for you to look at; with --compose, uses that
    stack. The result is also in [bold].iris/demo.json[/]. Exit code 1 if a hop does not arrive; the message
    names it.

    With --train and --test, your own tables go through the pipelines; IRIS_PROJECT_FILE names the
    project.json that they are of (iris init writes one).

    Examples:

      iris demo

      iris demo --json | jq '.acts[] | {name, severity}'

      IRIS_PROJECT_FILE=wine/project.json iris demo --train wine.csv --test today.csv

      iris --compose .env demo   # after make compose-up
    """
    from devstack.demo import play
    from iris_core.errors import IrisError

    own = _own(train, test)
    screen = Stage()
    if env_file := chosen_compose.get():
        with interruptible(), screen.awaiting("waiting for Airflow"):
            result = play(_composed_scene(env_file, hop_bound), screen, seed, own)
        _conclude(result, screen, as_json, "make compose-down")
        return
    stack = local_stack()
    began_it = not stack.is_complete()
    if began_it:
        start(stack, screen)
    try:
        with interruptible(), screen.awaiting("waiting for Airflow"):
            result = play(_scene(stack, hop_bound), screen, seed, own)
    except KeyboardInterrupt:
        if began_it:
            stack.down(screen.component)
        raise
    except IrisError:
        if stack.is_complete() and stack.state:
            screen.console.print("\nThe stack is left running for you to look at; end it with: make down")
            screen.links(stack.state.endpoints)
        raise
    _conclude(result, screen, as_json, "make down")


def _own(train: Path | None, test: Path | None) -> OwnTables | None:
    """The tables to play with; None if that is Iris.

    :raises BadParameter: one of the two is missing.
    """
    from devstack.demo import OwnTables

    if train and test:
        return OwnTables(train, test)
    if train or test:
        raise typer.BadParameter("--train and --test go together: a table to train on, and one to score.")
    return None


def _composed_scene(env_file: Path, hop_bound: float) -> Scene:
    from devstack.demo import Scene
    from devstack.home import find_home
    from devstack.ports import check_listening
    from iris_core.cli.composed import ADMIN, composed
    from iris_core.doctor.airflow_api import AirflowApi

    there = composed(env_file)
    airflow = AirflowApi(there.airflow, (ADMIN, there.password))
    check = partial(check_listening, there.airflow, there.mlflow, there.settings.s3_endpoint_url)
    return Scene(
        find_home(), deployed_workspace(), airflow, there.mlflow, hop_bound, is_uploader=True, check=check
    )


def _scene(stack: Stack, hop_bound: float) -> Scene:
    from devstack.demo import Scene
    from iris_core.doctor.airflow_api import AirflowApi

    endpoints = stack.running().endpoints
    airflow = AirflowApi(endpoints["airflow"])
    workspace = stack.workspace()
    return Scene(stack.home, workspace, airflow, endpoints["mlflow"], hop_bound, check=stack.running)


def _conclude(result: Result, screen: Stage, as_json: bool, ends_it: str) -> None:
    rise = " → ".join(coloured(act.severity or "") for act in result.acts)
    screen.console.print(f"\n[bold]Drift severity {rise}[/], all in {result.seconds:.1f} s.\n")
    screen.links(result.links)
    screen.console.print(
        "\nWhere to look next: the page first, then the asset graph; [bold]iris ledger[/] (every decision, "
        "its evidence),\n[bold]iris upload FILE --as train[/] with your own rows, [bold]iris status[/]. "
        f"The stack keeps running; [bold]{ends_it}[/] ends it."
    )
    if as_json:
        print_json(result.as_json())
