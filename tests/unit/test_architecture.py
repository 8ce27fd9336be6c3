"""docs/architecture.md names what is there, in the order that import-linter holds."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
WALK = PAGE[PAGE.index("## One CSV") : PAGE.index("## Where do I")]
NAMES = sorted(set(re.findall(r"`(iris_(?:core|airflow|provider_minio)(?:\.\w+)+)`", WALK)))
FILES = sorted(set(re.findall(r"`((?:iris_core|plugins|provider|dags|devstack|deploy)/[\w./]*)`", PAGE)))


def resolved(name: str) -> object:
    """The object that a dotted name names: its longest part that is a module, then attributes."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise AssertionError(name)


def rooms_of_the_page() -> list[str]:
    table = PAGE[PAGE.index("## The rooms") : PAGE.index("Why this order")]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def test_the_walk_names_many_functions() -> None:
    assert len(NAMES) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_what_the_walk_names_is_there(name: str) -> None:
    assert callable(resolved(name))


@pytest.mark.parametrize("path", FILES)
def test_the_files_are_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_rooms_stand_in_the_order_that_lint_holds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [one for one in project["tool"]["importlinter"]["contracts"] if one["id"] == "rooms"]
    assert rooms_of_the_page() == contract["layers"][::-1]


def test_every_room_is_on_the_page_and_says_its_question() -> None:
    core = ROOT / "iris_core"
    folders = {path.parent.name for path in core.glob("*/__init__.py")}
    loose = {path.stem for path in core.glob("*.py")} - {"__init__"}
    assert folders | loose == set(rooms_of_the_page())
    assert len(loose) <= 3
    for folder in folders:
        first = (core / folder / "__init__.py").read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith('"""'), folder


def test_a_name_is_used_once() -> None:
    """Public classes and functions of the core; a command of `iris` may be named as what it calls."""
    places = defaultdict(list)
    for path in sorted((ROOT / "iris_core").rglob("*.py")):
        if "cli" in path.parts:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert len(places) > 400
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
