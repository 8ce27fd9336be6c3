"""What an `airflow_local_settings.py` of ours does in a process of Airflow's, without doing it."""

from __future__ import annotations

import builtins
import sys
from types import SimpleNamespace
from typing import Any

import pytest


def done_by(source: str, command: list[str]) -> list[str]:
    """Run it as the process with this command line would; returns which of our parts it set to work."""
    done: list[str] = []
    ours = SimpleNamespace(handover=SimpleNamespace(install=lambda: done.append("handover")))

    def recorded(name: str, *args: Any) -> Any:
        if name == "iris_airflow.preload":
            done.append("preload")
        return ours if name.startswith("iris_airflow.") else __import__(name, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command)
        scope = {"__builtins__": {**vars(builtins), "__import__": recorded}}
        exec(compile(source, "airflow_local_settings.py", "exec"), scope)
    return done
