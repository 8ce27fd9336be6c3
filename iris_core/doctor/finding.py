"""The result of one check, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["well", "note", "ill"]
"""`note`: it works but could be better, or it could not be checked; `ill`: something does not work."""


@dataclass(frozen=True)
class Diagnosis:
    """One line of the report: what was checked, the result, and what to do (empty: nothing)."""

    check: str
    level: Level
    said: str
    todo: str = ""

    def as_json(self) -> dict[str, str]:
        """The diagnosis as JSON-able content."""
        return asdict(self)


def well(check: str, said: str) -> Diagnosis:
    """A diagnosis that something works."""
    return Diagnosis(check, "well", said)


def note(check: str, said: str, todo: str = "") -> Diagnosis:
    """A diagnosis that something could be better, or could not be checked.

    :param check: what was checked.
    :param said: the result.
    :param todo: what to do.
    """
    return Diagnosis(check, "note", said, todo)


def ill(check: str, said: str, todo: str) -> Diagnosis:
    """A diagnosis that something does not work.

    :param check: what was checked.
    :param said: the result.
    :param todo: what to do.
    """
    return Diagnosis(check, "ill", said, todo)
