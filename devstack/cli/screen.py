"""Shows the progress of the stack's start and of the demo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from iris_core.cli.screen import Screen, coloured

if TYPE_CHECKING:
    from devstack.hops import Hop
    from devstack.startup import Phase

# Readers should open the page first: it says what is staged, scored and drifting.
_LINK_NAMES = {
    "airflow": "Airflow",
    "page": "Page in Airflow",
    "airflow_asset_graph": "Airflow asset graph",
    "mlflow": "MLflow",
    "mlflow_model": "MLflow model",
    "store": "Object store (S3)",
    "drift_report_clean": "Drift report, clean",
    "drift_report_shifted": "Drift report, shifted",
}


class Stage(Screen):
    """A screen that shows components, acts, hops and links."""

    def __init__(self) -> None:
        super().__init__()
        self._awaited: set[str] = set()

    def component(self, name: str, phase: Phase, seconds: float) -> None:
        """Show a component's progress.

        :param name: the component.
        :param phase: what it does now.
        :param seconds: seconds since it began.
        """
        if phase in ("starting", "stopping"):
            self._awaited.add(name)
        else:
            self._awaited.discard(name)
            self.console.print(f"  [green]✓[/] {name:<14} {phase} [dim]{seconds:5.1f} s[/]")
        if self._awaited:
            self.say(f"waiting for {', '.join(sorted(self._awaited))}")

    def act(self, name: str, what: str) -> None:
        """Show that an act begins."""
        self.console.print(f"\n[bold]{name}[/] {what}")

    def hop(self, hop: Hop) -> None:
        """Show a hop that was seen."""
        told = _TELLING[hop.name](hop.facts)
        self.console.print(f"  [green]✓[/] {hop.seconds_since_upload:6.2f} s  [bold]{hop.name:<12}[/] {told}")

    def waiting(self, what: str, seconds: float) -> None:
        """Show what is awaited, and for how many seconds already."""
        self.say(f"waiting for {what}, {seconds:.0f} s")

    def links(self, links: Mapping[str, str]) -> None:
        """Print links to open, one per line."""
        for name, address in links.items():
            if label := _LINK_NAMES.get(name):
                self.console.print(f"  {label:<22} [link={address}]{escape(address)}[/]")


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
