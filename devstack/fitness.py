"""What `iris doctor` looks at, before the demo sends anything."""

from __future__ import annotations

import time

from devstack.demo import Scene, Show
from iris_core.doctor import Finding, examine
from iris_core.errors import StackError

BOUND_S = 90.0
"""A stack that has just been started is given as long: Airflow parses the DAGs and makes their watchers."""


def await_fitness(scene: Scene, show: Show, is_uploader: bool, bound_s: float = BOUND_S) -> None:
    """Wait until nothing is ill. What is owed is left out: a stack that was down has yet to do it.

    :raises StackError: something stays ill; says what, and what to do.
    """
    began = time.monotonic()
    while found := _ill(scene, is_uploader):
        seconds = time.monotonic() - began
        show.waiting(f"{found[0].check}: {found[0].said}", seconds)
        if seconds > bound_s:
            told = [f"{one.check}: {one.said} → {one.todo}" for one in found]
            raise StackError("\n".join(["The stack is not fit to play on (iris doctor):", *told]))
        time.sleep(1)


def _ill(scene: Scene, is_uploader: bool) -> list[Finding]:
    found = examine(scene.workspace, scene.airflow, is_uploader)
    return [one for one in found if one.level == "ill" and one.check != "owed"]
