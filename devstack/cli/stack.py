"""`iris up`, `down`, `status`, `reset`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devstack.cli.screen import Stage
from iris_core.cli.deployment import chosen_compose
from iris_core.cli.screen import AsJson, coloured, print_json

if TYPE_CHECKING:
    from devstack.stack import Stack
    from devstack.state import StackState

NEWEST = 8


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


def status(as_json: AsJson = False) -> None:
    """Show the components, their addresses and the newest decisions. Exit code 3 unless all components run.

    Examples:

      iris status

      iris status --json | jq -r .endpoints.airflow
    """
    stack = local_stack()
    state = stack.state
    facts = _facts(stack, state)
    if as_json:
        print_json(facts)
    else:
        _print_status(facts, state)
    raise typer.Exit(0 if facts["up"] else 3)


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


@contextmanager
def interruptible() -> Iterator[None]:
    """Make SIGTERM and a closed terminal clean up as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    # An ignored signal stays ignored, as nohup wants it.
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _facts(stack: Stack, state: StackState | None) -> dict[str, Any]:
    return {
        "up": stack.is_complete(),
        "home": str(stack.home.root),
        "components": [asdict(component) for component in stack.status()],
        "ports": state.ports if state else {},
        "endpoints": state.endpoints if state else {},
        "projects": stack.deployment.labels if state else [],
        "newest_decisions": _newest_decisions(stack) if state else [],
        "watchers": _watchers(stack, state) if state else [],
    }


def _watchers(stack: Stack, state: StackState) -> list[dict[str, Any]]:
    from devstack.watchers import watchers
    from iris_core.doctor.airflow_api import AirflowApi
    from iris_core.errors import StackError

    try:
        return list(watchers(AirflowApi(state.endpoints["airflow"]), stack.deployment.projects))
    except StackError:
        return []


def _newest_decisions(stack: Stack) -> list[dict[str, Any]]:
    from itertools import islice

    from iris_core.errors import StoreError

    try:
        newest = list(islice(stack.workspace().ledger.recent(), NEWEST))
    except StoreError:
        return []
    told = [record.model_dump(mode="json") for record in newest]
    return [{name: record[name] for name in ("kind", "outcome", "reason", "at")} for record in told]


def _row(component: dict[str, Any]) -> tuple[str, str, str, str]:
    if not component["up"]:
        return "[red]down[/]", "", "", ""
    healthy = component["healthy_after_s"]
    since = f"{component['started_at'].astimezone():%H:%M:%S}"
    return "[green]up[/]", str(component["pid"]), since, f"{healthy:.1f} s" if healthy else "not yet"


def _print_status(facts: dict[str, Any], state: StackState | None) -> None:
    from rich.table import Table

    screen = Stage()
    table = Table("component", "", "pid", "since", "healthy after", "log", box=None, padding=(0, 2, 0, 0))
    for it in facts["components"]:
        table.add_row(it["name"], *_row(it), it["log"])
    screen.console.print(table)
    if not state:
        screen.console.print("Start it with: iris up")
        return
    screen.links(state.endpoints)
    if len(facts["projects"]) > 1:
        screen.console.print(f"  projects (iris --project NAME …): {', '.join(facts['projects'])}")
    for it in facts["watchers"]:
        every, took = f"{it['pause_s']:.0f} s", f"{it['took_s']:.1f} s"
        screen.console.print(f"  {it['asset']} is listed every {every}; the last listing took {took}")
    for decision in facts["newest_decisions"]:
        told = f"{decision['kind']:<10} {coloured(decision['outcome'])}"
        screen.console.print(f"  {decision['at'][:19]}  {told}")
