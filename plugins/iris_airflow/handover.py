"""Makes a triggerer hand over its watchers' events at once, instead of once a second.

Airflow's triggerer runs its triggers in a process that passes their events on once a second: a constant. So a
watcher's event waits half a second on average, longer than everything else between a PUT and the run that it
starts takes. `airflow_local_settings.py` of a triggerer calls `install`.
"""

from __future__ import annotations

import logging
from collections import deque
from inspect import iscoroutinefunction, signature
from typing import Any

log = logging.getLogger(__name__)

OVERRIDDEN = {
    "init_comms": (True, ["self"]),
    "process_trigger_events": (False, ["self", "finished_ids"]),
    "sync_state_to_supervisor": (True, ["self", "finished_ids"]),
}
"""The runner's methods that are overridden: whether each is a coroutine, and its parameters."""
HELD = {"events": deque, "to_cancel": deque, "triggers": dict, "stop": bool}
"""What the runner holds, and its type."""
HELD_FROM_3_4 = {"to_release": deque}
"""What Airflow 3.3 lacks."""


def install() -> None:
    """Replace the runner's class in Airflow's module by `PromptTriggerRunner`, for this process.

    If Airflow's runner differs from the one that this module knows, Airflow's own is used, and the log says
    so.
    """
    try:
        from airflow.jobs import triggerer_job_runner

        _check(triggerer_job_runner)
        from iris_airflow.prompt_runner import PromptTriggerRunner
    except (ImportError, AttributeError, TypeError, ValueError) as unknown:
        log.warning(
            "Events are handed over once a second: this Airflow's triggerer is another (%s).", unknown
        )
        return
    triggerer_job_runner.TriggerRunner = PromptTriggerRunner  # type: ignore[misc]


def _check(module: Any) -> None:
    """Check that Airflow's module is as `prompt_runner` needs it.

    :raises AttributeError: something does not exist.
    :raises TypeError: something has other arguments.
    :raises ValueError: something has another signature or type, or the runner's process would not be ours.
    """
    if _runs_elsewhere(module):
        raise ValueError("it runs in an interpreter of its own, which has Airflow's class")
    for name, expected in OVERRIDDEN.items():
        method = getattr(module.TriggerRunner, name)
        if (iscoroutinefunction(method), list(signature(method).parameters)) != expected:
            raise ValueError(f"TriggerRunner.{name}{signature(method)}")
    runner = module.TriggerRunner()
    known = {name: kind for name, kind in HELD_FROM_3_4.items() if hasattr(runner, name)}
    for name, kind in (HELD | known).items():
        if type(getattr(runner, name)) is not kind:
            raise ValueError(f"TriggerRunner.{name} is a {type(getattr(runner, name)).__name__}")
    for name, needed, found in (
        ("TriggerDetails", {"task", "is_watcher"}, module.TriggerDetails.__annotations__),
        ("TriggerEventEntry", {"trigger_id"}, module.TriggerEventEntry._fields),
        ("TriggerStateChanges", {"events"}, module.messages.TriggerStateChanges.model_fields),
        (
            "run_in_process",
            {"TriggerRunner"},
            module.TriggerRunnerSupervisor.run_in_process.__code__.co_names,
        ),
    ):
        if missing := needed.difference(found):
            raise ValueError(f"{name} without {', '.join(sorted(missing))}")


def _runs_elsewhere(module: Any) -> bool:
    """Whether the supervisor starts a new interpreter for its runner, as Airflow 3.4 does on macOS."""
    supervisor = getattr(module, "supervisor", None)
    return supervisor is not None and bool(supervisor._should_use_exec())
