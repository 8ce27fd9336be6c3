"""What a person sees while the stack starts and the demo plays; plain lines where there is no terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status

if TYPE_CHECKING:
    from devstack.hops import Hop
    from devstack.startup import Phase

_SEVERITY_COLOURS = {"none": "green", "low": "yellow", "medium": "dark_orange", "high": "bold red"}

# The Airflow asset graph is what to open first: it is the picture of the whole system.
_LINK_NAMES = {
    "airflow": "Airflow",
    "airflow_asset_graph": "Airflow asset graph",
    "mlflow": "MLflow",
    "mlflow_model": "MLflow model",
    "store": "Object store (S3)",
    "drift_report_clean": "Drift report, clean",
    "drift_report_shifted": "Drift report, shifted",
}


class Screen:
    """Progress on standard error, so that `--json` on standard output stays clean."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._awaited: set[str] = set()
        self._began = time.monotonic()

    @contextmanager
    def awaiting(self, what: str) -> Iterator[Screen]:
        """Show a spinner while something goes on."""
        self._began = time.monotonic()
        with self.console.status(what) as status:
            self._status = status
            try:
                yield self
            finally:
                self._status = None

    def component(self, name: str, phase: Phase, seconds: float) -> None:
        """A component's progress."""
        if phase in ("starting", "stopping"):
            self._awaited.add(name)
        else:
            self._awaited.discard(name)
            self.console.print(f"  [green]✓[/] {name:<14} {phase} [dim]{seconds:5.1f} s[/]")
        if self._awaited:
            self._say(f"waiting for {', '.join(sorted(self._awaited))}")

    def act(self, name: str, what: str) -> None:
        """An act begins."""
        self.console.print(f"\n[bold]{name}[/] {what}")

    def hop(self, hop: Hop) -> None:
        """A hop was seen."""
        self.console.print(
            f"  [green]✓[/] {hop.seconds_since_upload:6.2f} s  [bold]{hop.name:<12}[/] {_tell(hop)}"
        )

    def waiting(self, what: str, seconds: float) -> None:
        """Something is awaited."""
        self._say(f"waiting for {what}, {seconds:.0f} s")

    def _say(self, text: str) -> None:
        if self._status:
            self._status.update(text)

    def links(self, links: Mapping[str, str]) -> None:
        """Addresses to open, one a line."""
        for name, address in links.items():
            label = _LINK_NAMES.get(name)
            if label:
                self.console.print(f"  {label:<22} [link={address}]{escape(address)}[/]")


def print_json(content: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(content, indent=1, default=str))


def coloured(severity: str) -> str:
    """A severity in its colour."""
    colour = _SEVERITY_COLOURS.get(severity)
    return f"[{colour}]{severity}[/]" if colour else severity


def _tell(hop: Hop) -> str:
    return _TELLING[hop.name](hop.facts)


def _tell_staged(facts: Mapping[str, Any]) -> str:
    if refused := facts.get("refused"):
        return f"version {facts['version']} was refused: {escape(refused)}"
    return f"{facts['model']} version {facts['version']}"


def _number(value: Any) -> str:
    return "unknown" if value is None else f"{value:.3f}"


_TELLING: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "landed": lambda it: f"{it['object']}, {it['bytes']:,} bytes",
    "run_started": lambda it: f"{it['dag']}, by the event",
    "validated": lambda _: "the table is what project.json says",
    "trained": lambda it: f"{it['rows']} rows, accuracy {_number(it['accuracy'])} on the holdout",
    "staged": _tell_staged,
    "scored": lambda it: (
        f"{it['rows']} rows with version {it['model_version']}, accuracy {_number(it['accuracy'])}"
    ),
    "drift": lambda it: f"{coloured(it['severity'])}: {escape(it['sentence'])}",
}
