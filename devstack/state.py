"""The state of the running stack, or of the last one: `.iris/stack.json`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from devstack.home import Home, write_file
from devstack.processes import ProcessRef


class ComponentState(BaseModel):
    """One component's process, which is the leader of its own session."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    leader: ProcessRef
    started_at: datetime
    healthy_after_s: float | None = None


class StackState(BaseModel):
    """The stack's ports, addresses and processes; `id` is the mark of its processes."""

    model_config = ConfigDict(extra="forbid")

    id: str
    started_at: datetime
    ports: dict[str, int]
    endpoints: dict[str, str]
    components: dict[str, ComponentState] = {}

    def alive(self) -> list[str]:
        """Names of the components whose process lives."""
        return [name for name, component in self.components.items() if component.leader.process()]


def load_state(home: Home) -> StackState | None:
    """The stored state; None if there is none, or it cannot be read.

    Nothing is lost with an unreadable file, because processes are found by their mark.
    """
    try:
        return StackState.model_validate_json(home.state.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def save_state(home: Home, state: StackState) -> None:
    """Write the state atomically."""
    write_file(home.state, state.model_dump_json(indent=1) + "\n")
