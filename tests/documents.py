"""The commands that README and pages show, as a reader would type them.

A fenced block whose language is `sh` has commands; one that is `console` has them after a prompt; `text` is
output. A word after the language marks what they need beside this checkout: `needs-docker`, `needs-cluster`
(Kubernetes), `needs-minio` (a real MinIO and its client `mc`), `needs-kafka` (a MinIO whose target a
Kafka is, and the clients of both). Those for Docker, a cluster and Kafka are not executed; the others are
by `tests/integration/test_documents.py`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = [
    *("README.md", "CONTRIBUTING.md", "SECURITY.md"),
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
MARKS = ("needs-docker", "needs-cluster", "needs-minio", "needs-kafka")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = ("sh", "console")
INLINE = re.compile(r"`((?:iris|make) [^`]+)`")
PROMPT = "$ "


class Fence(NamedTuple):
    """A fenced block: its page, its language, the words after that, and its lines."""

    page: str
    language: str
    marks: tuple[str, ...]
    body: str


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def fences() -> Iterator[Fence]:
    """Every fenced block of every page."""
    for page in PAGES:
        for head, body in FENCE.findall(read(page)):
            language, *marks = head.split() or [""]
            yield Fence(page, language, tuple(marks), body)


def commands(fence: Fence) -> list[str]:
    """The commands of a block: all of its lines, or where it shows a prompt those after it.

    A command goes on in the next line while a quote is open, or after a backslash.
    """
    lines = [line for line in fence.body.splitlines() if line.strip() and not line.startswith("#")]
    found: list[str] = []
    for line in lines:
        if found and not _is_whole(found[-1]):
            found[-1] += f"\n{line}"
        elif fence.language == "sh" or line.startswith(PROMPT):
            found.append(line.removeprefix(PROMPT))
    return found


def _is_whole(command: str) -> bool:
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return not command.endswith("\\")


def inline() -> Iterator[tuple[str, str]]:
    """The commands of `iris` and make within sentences, with their pages."""
    for page in PAGES:
        text = FENCE.sub("", read(page))
        for command in INLINE.findall(text):
            yield page, " ".join(command.split())
