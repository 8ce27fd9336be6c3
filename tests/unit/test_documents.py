"""Commands of README and pages: marked where they need more than this checkout; none that does not exist."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from iris_core.cli import app
from tests.documents import LANGUAGES, MARKS, ROOT, commands, fences, inline

pytestmark = pytest.mark.unit

COMMAND = re.compile(r"^(\$ |\.venv/bin/|(iris|make|mc|docker|kubectl|helm|pip|uv|python|cat|export) )")
FOR_PEOPLE = {"…", "...", "FILE", "OBJECT", "VERSION", "CLASS", "TIME", "NAME"}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def check_iris(words: list[str]) -> None:
    """Check that each word is a command, an option or an argument; values are not looked at.

    :raises AssertionError: there is no such command or option.
    """
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while rest:
        word = rest.pop(0)
        known = {name: one for one in command.params for name in (*one.opts, *one.secondary_opts)}
        if word == "--help":
            continue
        if word.startswith("-") and word != "-":
            assert word in known, f"{command.name} has no option {word}"
            if not known[word].is_flag and rest:
                rest.pop(0)
        elif isinstance(command, TyperGroup) and word not in FOR_PEOPLE:
            assert word in command.commands, f"iris has no command {word}"
            command = command.commands[word]


def check_make(words: list[str]) -> None:
    """Check that each word is a target of the Makefile, or gives one of its variables a value."""
    for word in words:
        variable, equals, _ = word.partition("=")
        if equals:
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert re.search(rf"\$\({variable}\)|^ifdef {variable}$", makefile, re.MULTILINE), word
        else:
            assert word in targets(), f"there is no `make {word}`"


CHECKS = {"iris": check_iris, "make": check_make}


@pytest.mark.parametrize("page", sorted({fence.page for fence in fences()}))
def test_every_block_with_commands_says_so_and_what_they_need(page: str) -> None:
    for fence in (one for one in fences() if one.page == page):
        if fence.language in LANGUAGES:
            assert len(fence.marks) <= 1, fence
            assert set(fence.marks) <= set(MARKS), fence
            assert commands(fence), fence
        elif fence.language != "text":
            assert [line for line in fence.body.splitlines() if COMMAND.match(line)] == [], fence


def test_there_are_commands_to_check() -> None:
    assert sum(len(commands(fence)) for fence in fences() if fence.language in LANGUAGES) >= 50
    assert len(list(inline())) >= 80


@pytest.mark.parametrize(("page", "command"), sorted(set(inline())))
def test_a_command_within_a_sentence_exists(page: str, command: str) -> None:
    what, *words = shlex.split(command)
    CHECKS[what](words)


def test_what_does_not_exist_is_found() -> None:
    for command in ("iris status --slowly", "iris sing", "iris ledger before", "make sing", "make up LOUD=1"):
        what, *words = shlex.split(command)
        with pytest.raises(AssertionError):
            CHECKS[what](words)
