"""`iris up`, `down`, `reset`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devstack.cli.screen import Stage
from devstack.interrupts import interruptible
from iris_core.cli.deployment import chosen_compose

if TYPE_CHECKING:
    from devstack.stack import Stack


def up() -> None:
    """Start the local stack and leave it running: object store, MLflow, Airflow.

    All its files are in [bold].iris/[/] (or $IRIS_HOME). Data and credentials survive down and up.
    It chooses free ports; set them with IRIS_PORT_AIRFLOW, IRIS_PORT_MLFLOW, IRIS_PORT_STORE,
    IRIS_PORT_STORE_CONSOLE.
    It uses a real MinIO if MINIO_BIN names its binary, or if `minio` is on the PATH.

    Examples:

      iris up

      TEAM=team_b PLATFORM_ENV=prod IRIS_PORT_AIRFLOW=8080 iris up

      set -a; . .iris/stack.env; set +a   # the stack's environment in your shell
    """
    stack = local_stack()
    screen = Stage()
    if stack.is_complete():
        screen.console.print(f"The stack in {stack.home.root} already runs.")
    else:
        start(stack, screen)
    state = stack.state
    if state:
        screen.links(state.endpoints)
    screen.console.print("Next: [bold]iris demo[/], iris upload FILE, iris ledger; iris down ends it.")


def down() -> None:
    """End every process of the local stack, also after a crash. Data stays for the next up.

    Examples:

      iris down

      iris down && iris reset --yes   # and forget everything
    """
    screen = Stage()
    with screen.awaiting("ending the stack"):
        local_stack().down(screen.component)
    screen.console.print("Nothing of the stack runs.")


def reset(
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Delete; without it, only say what would be deleted.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="End a running stack first.")] = False,
) -> None:
    """Delete everything that the local stack has stored: objects, models, runs, reports, logs, credentials.

    Examples:

      iris reset --yes

      iris reset --yes --force   # also when it runs
    """
    stack = local_stack()
    screen = Stage()
    if not yes:
        screen.console.print(f"Would delete {stack.home.root}. Do it with: iris reset --yes")
        raise typer.Exit(2)
    if force and stack.state:
        stack.down(screen.component)
    stack.reset()
    screen.console.print(f"{stack.home.root} is gone.")


def local_stack() -> Stack:
    """The stack of this checkout, or of `$IRIS_HOME`.

    :raises StackError: another stack was chosen with --compose.
    """
    from devstack.home import find_home
    from devstack.stack import Stack
    from iris_core.errors import StackError

    if chosen_compose.get():
        raise StackError(
            "This command is about the local stack. The one of docker-compose.yml: make compose-up, "
            "make compose-down, docker compose ps."
        )
    return Stack(find_home())


def start(stack: Stack, screen: Stage) -> None:
    """Start the stack and show the progress; Ctrl-C or SIGTERM ends what was started."""
    with interruptible(), screen.awaiting("starting the stack"):
        state = stack.up(screen.component)
    longest = max((c.healthy_after_s or 0.0 for c in state.components.values()), default=0.0)
    screen.console.print(f"The stack in {stack.home.root} runs; its slowest part took {longest:.1f} s.")
