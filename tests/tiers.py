"""A test's tier, and that a unit test is one: it starts no process, opens no port, calls nobody.

`conftest.py` takes the hooks in. The tier is the marker; where a test has none, the folder that it lies in.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

import pytest

from devstack.interrupts import interruptible

TIERS = ("unit", "dags", "integration", "e2e", "browser", "stack")
SERVED = {"store_access", "mlflow_template"}
"""Fixtures of a server and of a database: native code that asks them is not seen here."""
LEAVES_THE_PROCESS = {
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.fork": "forks",
    "os.forkpty": "forks",
    "os.posix_spawn": "starts a process",
    "socket.bind": "opens a port",
    "socket.connect": "calls a server",
}

_seen: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is not None and event in LEAVES_THE_PROCESS:
        _seen.append(f"it {LEAVES_THE_PROCESS[event]} ({event} {arguments!r:.200})")
        pytest.fail(f"A unit test runs alone, but {_seen[-1]}: mark it `integration`.")


sys.addaudithook(_watch)


def pytest_configure(config: pytest.Config) -> None:
    """Let SIGTERM end a run as Ctrl-C does: fixtures end what they started, which would outlive the run."""
    guard = ExitStack()
    guard.enter_context(interruptible())
    config.add_cleanup(guard.close)


def tier_of(item: pytest.Item) -> str:
    """The one tier that a test's markers name.

    :raises pytest.UsageError: they name two.
    """
    named = {mark.name for mark in item.iter_markers()} & set(TIERS)
    if len(named) > 1:
        raise pytest.UsageError(f"{item.nodeid} is marked {' and '.join(sorted(named))}: one tier each.")
    return named.pop() if named else ""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test without a tier that of its folder.

    :raises pytest.UsageError: its folder is none.
    """
    if not tier_of(item):
        folders = [name for name in item.path.parts if name in TIERS]
        if not folders:
            raise pytest.UsageError(f"{item.nodeid} has no tier: mark it as one of {', '.join(TIERS)}.")
        item.add_marker(folders[-1])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse unit tests that take a server's fixture.

    :raises pytest.UsageError: there are some.
    """
    served = [
        item.nodeid
        for item in items
        if tier_of(item) == "unit" and SERVED & set(getattr(item, "fixturenames", ()))
    ]
    if served:
        raise pytest.UsageError(f"These use a server, so they are no unit tests: {', '.join(served)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Watch a unit test from its first fixture to its last."""
    global _seen
    _seen = [] if tier_of(item) == "unit" else None
    try:
        return (yield)
    finally:
        _seen = None


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Fail also where the code under test, or a thread, kept what it did to itself."""
    if _seen:
        pytest.fail(f"A unit test runs alone, but {_seen[0]}: mark it `integration`.")
