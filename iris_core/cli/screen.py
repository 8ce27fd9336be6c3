"""Output of the commands: text for people on standard error, JSON for machines on standard output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.status import Status

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]

SEVERITY_COLOURS = {"none": "green", "low": "yellow", "medium": "dark_orange", "high": "bold red"}


class Screen:
    """Shows progress on standard error, so that standard output holds only the JSON of `--json`."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None

    @contextmanager
    def awaiting(self, what: str) -> Iterator[None]:
        """Show a spinner with this text until the block ends."""
        with self.console.status(what) as self._status:
            try:
                yield
            finally:
                self._status = None

    def say(self, text: str) -> None:
        """Change the text beside the spinner."""
        if self._status:
            self._status.update(text)


def print_json(content: Any) -> None:
    """Print one JSON document on standard output."""
    print(json.dumps(content, indent=1, default=str))


def coloured(severity: str) -> str:
    """A severity in its colour."""
    colour = SEVERITY_COLOURS.get(severity)
    return f"[{colour}]{severity}[/]" if colour else severity
