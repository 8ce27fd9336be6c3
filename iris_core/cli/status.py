"""`iris status`: the state of each project, as the page in Airflow shows it, and what runs here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from iris_core.cli.deployment import chosen_compose, deployed_projects
from iris_core.cli.extensions import local_stack
from iris_core.cli.screen import AsJson, Screen, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from iris_core.errors import StoreError
    from iris_core.overview import Overview

INCOMPLETE = 3
"""The exit code where a part of the local stack does not run."""


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=1, help="Seconds from one look of --watch to the next.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Show what is staged and why, what was scored, whether it drifts, what was refused, what to do.

    Of each project of the deployment, or of the one that --project names. Of the local stack also its
    components and addresses: exit code 3 unless all components run.

    Examples:

      iris status

      iris status --watch

      iris status --json | jq -r .endpoints.airflow

      iris status --json | jq '.overview[].replies[] | .question, .sentence'
    """
    stack = None if chosen_compose.get() else local_stack()
    facts = stack.facts() if stack else {}
    if watch and not as_json:
        return _watch(every)
    seen, trouble = _overviews()
    if as_json:
        print_json({**facts, "overview": [one.model_dump(mode="json") for one in seen]})
    else:
        if stack:
            stack.show(facts)
        for one in seen:
            Screen().console.print(_shown(one))
    if trouble and not facts.get("endpoints"):
        raise trouble
    raise typer.Exit(0 if facts.get("up", True) else INCOMPLETE)


def _overviews() -> tuple[list[Overview], StoreError | None]:
    """The state of each project that is asked about, and the first error of a store that did not answer.

    A project without credentials, as where no stack runs, has none.
    """
    from iris_core.errors import StoreError
    from iris_core.ledger.workspace import access_from_settings, open_workspace
    from iris_core.overview import overview
    from iris_core.settings.projects import chosen_project

    known, chosen = deployed_projects(), chosen_project.get()
    seen: list[Overview] = []
    trouble: StoreError | None = None
    for settings in [known.named(chosen)] if chosen else known.projects:
        if settings.access_key_id:
            try:
                seen.append(overview(open_workspace(settings, access_from_settings(settings))))
            except StoreError as error:
                trouble = trouble or error
    return seen, trouble


def _watch(every: float) -> None:
    """Show the state until Ctrl-C; where the store does not answer, say so and look again.

    :param every: seconds from one look to the next.
    """
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(console=Screen().console, auto_refresh=False, vertical_overflow="visible") as live:
        try:
            while True:
                seen, trouble = _overviews()
                told = [Text(str(trouble), style="red")] if trouble else []
                live.update(Group(*map(_shown, seen), *told), refresh=True)
                time.sleep(every)
        except KeyboardInterrupt:
            return


def _shown(seen: Overview) -> RenderableType:
    from iris_core.cli.state import state_of

    return state_of(seen)
