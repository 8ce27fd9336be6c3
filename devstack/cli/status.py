"""What `iris status` tells of the local stack: its components, addresses and watchers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from devstack.cli.screen import Stage
from devstack.cli.stack import local_stack

if TYPE_CHECKING:
    from devstack.stack import Stack
    from devstack.state import StackState

NEWEST = 8


def facts() -> dict[str, Any]:
    """Components, addresses, watchers and newest decisions of this checkout's stack, or of `$IRIS_HOME`."""
    stack = local_stack()
    state = stack.state
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


def show(facts: dict[str, Any]) -> None:
    """Print what `facts` returned."""
    from rich.table import Table

    screen = Stage()
    table = Table("component", "", "pid", "since", "healthy after", "log", box=None, padding=(0, 2, 0, 0))
    for it in facts["components"]:
        table.add_row(it["name"], *_row(it), it["log"])
    screen.console.print(table)
    if not facts["endpoints"]:
        screen.console.print("Start it with: iris up")
        return
    screen.links(facts["endpoints"])
    if len(facts["projects"]) > 1:
        screen.console.print(f"  projects (iris --project NAME …): {', '.join(facts['projects'])}")
    for it in facts["watchers"]:
        every, took = f"{it['pause_s']:.0f} s", f"{it['took_s']:.1f} s"
        screen.console.print(f"  {it['asset']} is listed every {every}; the last listing took {took}")
