"""What one check found, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["well", "note", "ill"]
"""`note`: it works, and could be better, or could not be looked at; `ill`: something does not work."""


@dataclass(frozen=True)
class Diagnosis:
    """One line: what was looked at, how it is, and what to do, empty when nothing is."""

    check: str
    level: Level
    said: str
    todo: str = ""

    def as_json(self) -> dict[str, str]:
        """The same for a machine."""
        return asdict(self)


def well(check: str, said: str) -> Diagnosis:
    """Nothing to do."""
    return Diagnosis(check, "well", said)


def note(check: str, said: str, todo: str = "") -> Diagnosis:
    """It works, but."""
    return Diagnosis(check, "note", said, todo)


def ill(check: str, said: str, todo: str) -> Diagnosis:
    """It does not work."""
    return Diagnosis(check, "ill", said, todo)
