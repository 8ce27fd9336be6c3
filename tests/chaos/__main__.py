"""`make chaos SEED=1 UPLOADS=200 KILLS=30 OUTAGE=120 POISON=20 STORE=minio LOOKS=named-only`"""

from __future__ import annotations

import os
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from devstack.components import minio_binary
from devstack.figures import Figure, write_figures
from devstack.home import Home, find_home
from devstack.stack import Stack
from tests.chaos.harness import INBOX, Outcome, Parameters, embedded_only, run
from tests.chaos.looks import Looks

console = Console()
WRONG = ("lost", "doubled", "orphaned", "wrong_newest")


class StoreKind(StrEnum):
    """The object store to break."""

    embedded = "embedded"
    minio = "minio"


def main(
    seed: Annotated[int, typer.Option(help="Gives the same script of uploads and faults again.")] = 1,
    uploads: Annotated[int, typer.Option(min=4, help="Uploads, bursts and deletions included.")] = 200,
    kills: Annotated[int, typer.Option(min=0, help="Faults, one after the other.")] = 30,
    outage: Annotated[
        float, typer.Option(min=0, help="Seconds for which MLflow, store and api-server are away, once each.")
    ] = 120,
    poison: Annotated[
        int,
        typer.Option(min=0, help="Hostile objects among the uploads: training and inference data, labels."),
    ] = 20,
    store: Annotated[StoreKind, typer.Option(help="A real `minio` is taken from MINIO_BIN or PATH.")] = (
        StoreKind.embedded
    ),
    looks: Annotated[
        Looks,
        typer.Option(
            help="What the runs that events start look at. With named-only, the daily runs and the watchers "
            "look at everything only after the last upload."
        ),
    ] = Looks.named,
    keep: Annotated[bool, typer.Option(help="Keep the stack's folder, for a look at its logs.")] = False,
) -> None:
    """Kill every part of a stack of its own while uploads go on; audit that each was accounted for once.

    With hostile objects, inference data lands below a prefix, else at one key.

    Exits 0 when it measured; the figures say what it found.
    """
    parameters = Parameters(seed, uploads, kills, outage, poison=poison, looks=looks)
    folder = Path(tempfile.mkdtemp(prefix="iris-chaos-"))
    stack = Stack(Home(folder), _environment(store) | looks.variables | (INBOX if poison else {}))
    try:
        with console.status("starting the stack"):
            stack.up()
        outcome = run(stack, parameters, lambda line: console.print(f"  {line}", style="dim", markup=False))
    finally:
        stack.down()
    _show(outcome)
    write_figures(find_home(), "chaos", _figures(outcome), {**vars(parameters), "store": store.value})
    if keep or not outcome.ok:
        console.print(f"The stack's logs and data are kept in {folder}.")
    else:
        stack.reset()


def _environment(store: str) -> dict[str, str]:
    """This process's environment, so that the stack takes the wanted store and free ports."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("IRIS_PORT")}
    if store == "minio":
        if not minio_binary(environ):
            raise typer.BadParameter(
                "STORE=minio needs a real one: name it in MINIO_BIN or put it on the PATH."
            )
        return environ
    return embedded_only(environ)


def _show(outcome: Outcome) -> None:
    table = Table(title=f"chaos, seed {outcome.parameters.seed}: {outcome.seconds:.0f} s")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for figure in _figures(outcome):
        table.add_row(figure.name, "-" if figure.value is None else f"{figure.value:g} {figure.unit}".strip())
    for what, times in sorted(outcome.audit.outcomes.items()):
        table.add_row(what, str(times), style="dim")
    console.print(table)
    for name in WRONG:
        for line in getattr(outcome.audit, name):
            console.print(f"{name}: {line}", style="red", markup=False)
    for line in outcome.early:
        console.print(f"a full look that came too early: {line}", style="red", markup=False)
    if outcome.left:
        console.print(f"left undone: {outcome.left}", style="red")


def _figures(outcome: Outcome) -> list[Figure]:
    audit = outcome.audit
    unknown = "" if audit.latencies else "nothing was decided"
    return [
        Figure(name="uploads", value=outcome.parameters.uploads, unit="", better="higher"),
        Figure(name="kills", value=len(outcome.faults), unit="", better="higher"),
        Figure(name="poison", value=outcome.poison, unit="", better="higher"),
        *(Figure(name=name, value=len(getattr(audit, name)), unit="", goal=0) for name in WRONG),
        *_early(outcome),
        Figure(name="latency_p50_s", value=outcome.quantile(0.5), unit="s", reason=unknown),
        Figure(name="latency_p95_s", value=outcome.quantile(0.95), unit="s", reason=unknown),
    ]


def _early(outcome: Outcome) -> list[Figure]:
    if outcome.parameters.looks is not Looks.named_only:
        return []
    return [Figure(name="early_full_looks", value=len(outcome.early), unit="", goal=0)]


if __name__ == "__main__":
    typer.run(main)
