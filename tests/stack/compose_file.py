"""docker-compose.yml as compose reads it: variables filled in, each service with what its container gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_REFERENCE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?:(?P<operator>:[-?])(?P<rest>[^}]*))?\}")


@dataclass(frozen=True)
class Service:
    """One service; `waits` is what each service that it depends on must be: healthy or completed.

    `command` begins with the entrypoint where the file names one; `user` is the image's own when it is empty.
    `files` are its configs, by where the container has them; `memory_mb` is its limit.
    """

    name: str
    command: tuple[str, ...]
    user: str
    environ: Mapping[str, str]
    healthcheck: tuple[str, ...]
    waits: Mapping[str, str]
    files: Mapping[str, str]
    replicas: int
    memory_mb: int


def load(path: Path, variables: Mapping[str, str]) -> dict[str, Service]:
    """The services that run with these variables, `COMPOSE_PROFILES` among them."""
    document = fill_in(yaml.safe_load(path.read_text(encoding="utf-8")), variables)
    profiles = set(variables.get("COMPOSE_PROFILES", "").split(","))
    active = {
        name: content
        for name, content in document["services"].items()
        if not content.get("profiles") or profiles & set(content["profiles"])
    }
    return {name: _service(name, content, document, active) for name, content in active.items()}


def fill_in(value: Any, variables: Mapping[str, str]) -> Any:
    """Interpolate as compose does: `${NAME:-default}`, `${NAME:?message}`, `$$`.

    :raises LookupError: a required variable is unset or empty.
    """
    if isinstance(value, dict):
        return {name: fill_in(one, variables) for name, one in value.items()}
    if isinstance(value, list):
        return [fill_in(one, variables) for one in value]
    return _REFERENCE.sub(lambda match: _value(match, variables), value) if isinstance(value, str) else value


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match[0] == "$$":
        return "$"
    found = variables.get(match["name"], "")
    if match["operator"] == ":?" and not found:
        raise LookupError(f"{match['name']} {match['rest']}")
    return found or (match["rest"] if match["operator"] == ":-" else "")


def _service(name: str, content: Any, document: Any, active: Mapping[str, Any]) -> Service:
    memory = re.fullmatch(r"(\d+)([mg])", content["mem_limit"])
    assert memory, content["mem_limit"]
    return Service(
        name=name,
        command=(*content.get("entrypoint", ()), *content.get("command", ())),
        user=content.get("user", ""),
        environ={key: str(value) for key, value in content.get("environment", {}).items()},
        healthcheck=tuple(content.get("healthcheck", {}).get("test", ())[1:]),
        waits={
            other: wait["condition"].removeprefix("service_").removesuffix("_successfully")
            for other, wait in content.get("depends_on", {}).items()
            if other in active or wait.get("required", True)
        },
        files={
            one["target"]: document["configs"][one["source"]]["content"] for one in content.get("configs", [])
        },
        replicas=int(content.get("deploy", {}).get("replicas", 1)),
        memory_mb=int(memory[1]) * (1024 if memory[2] == "g" else 1),
    )
