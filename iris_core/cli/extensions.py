"""Commands that other packages, such as the local stack, add to `iris` through entry points.

The core imports none of these packages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn, Protocol

import typer
from rich.markup import escape

from iris_core.errors import StackError

COMMANDS = "iris.commands"
"""Each entry's name is a command, and its object is the command's function."""

ENVIRONMENTS = "iris.environments"
"""Each entry's object returns the variables of a deployment that runs on this machine, or None."""

INSTALL = "pip install 'iris-mlops-pipelines[local]'"

STACKS = "iris.stacks"
"""The entry's object is a stack that may run on this machine, as `LocalStack`."""

_ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


class LocalStack(Protocol):
    """A stack on this machine, for `iris status`."""

    @staticmethod
    def facts() -> dict[str, Any]:
        """Its components and addresses, JSON-able; `up` says whether all of it runs."""

    @staticmethod
    def show(facts: dict[str, Any]) -> None:
        """Print what `facts` returned."""


def local_stack() -> LocalStack | None:
    """The stack of this machine; None where the packages of the local stack are not installed."""
    for entry in entry_points(group=STACKS):
        try:
            found: LocalStack = entry.load()
        except ModuleNotFoundError:
            continue
        return found
    return None


def add_commands(app: typer.Typer) -> None:
    """Add the commands; a command whose packages are not installed says what to install."""
    for entry in entry_points(group=COMMANDS):
        try:
            app.command(entry.name)(entry.load())
        except ModuleNotFoundError as error:
            app.command(entry.name, context_settings=_ANY_ARGUMENTS)(_refusal(entry, str(error.name)))


def running_environment() -> Mapping[str, str] | None:
    """The variables of the deployment that runs on this machine; None if none runs."""
    for entry in entry_points(group=ENVIRONMENTS):
        try:
            environ: Mapping[str, str] | None = entry.load()()
        except ModuleNotFoundError:
            continue
        if environ is not None:
            return environ
    return None


def _refusal(entry: EntryPoint, lacking: str) -> Callable[[], NoReturn]:
    def refuse() -> NoReturn:
        raise StackError(
            f"iris {entry.name} needs {lacking}, which this installation does not have. "
            f"On your own machine: {INSTALL}"
        )

    refuse.__doc__ = escape(f"Not in this installation. On your own machine: {INSTALL}")
    return refuse
