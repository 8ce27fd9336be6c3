"""Finds the line of a component's log that says why it died."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

TAIL_BYTES = 64 << 10

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

# The most telling patterns come first. A taken port also leads to generic errors, so it comes before them.
_TELLING = (
    re.compile(r"address already in use|port .* (is )?(already )?(in use|taken)", re.IGNORECASE),
    re.compile(r"^\s*([A-Za-z_]\w*\.)*[A-Z]\w*(Error|Exception|Denied|Refused|NotFound)\b\s*(:|$)"),
    re.compile(r"\b(CRITICAL|FATAL|ERROR)\b|\[(error|critical)\s*\]"),
    re.compile(r"\berror\b", re.IGNORECASE),
    re.compile(r"\S"),
)


def tail(path: Path, lines: int = 20) -> list[str]:
    """The last lines of a log, without colours; none if there is no log."""
    return _read(path)[-lines:]


def telling_line(path: Path) -> str:
    """The last line of a log that explains a failure; without one, the last line."""
    return most_telling(_read(path)) or "(its log is empty)"


def most_telling(lines: Iterable[str]) -> str:
    """The last of the most telling lines; empty if all are blank."""
    backwards = list(lines)[::-1]
    for pattern in _TELLING:
        for line in backwards:
            if pattern.search(line):
                return line.strip()[:400]
    return ""


def _read(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return [_ANSI.sub("", line) for line in text.splitlines()]
