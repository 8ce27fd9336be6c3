"""Only `ledger/` knows the shape of a key and of a record; the others use its types."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
READERS = ("iris_core", "devstack", "deploy", "plugins", "dags", "benchmarks", "tests/chaos")
CONTENT = {"inputs", "outputs", "evidence"}
PARTS = {"identity", "subject", "variant", "path", "points_to"}
HOMES = {"models/registry.py": "a model reference by hand", "settings/places.py": "a key by hand"}
"""What is not the ledger's: a registered version becomes a reference, and the list of all places."""
CUTTING = {"split", "rsplit", "partition", "rpartition", "startswith", "endswith", "removeprefix"}


def is_content(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in CONTENT


def shown(node: ast.expr) -> str:
    """The expression; its line where Python 3.11 cannot write it (a backslash inside an f-string)."""
    try:
        return ast.unparse(node)
    except ValueError:
        return f"line {node.lineno}"


def faults(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        told = shown(node) if isinstance(node, ast.expr) else ""
        if isinstance(node, ast.Subscript) and is_content(node.value):
            yield f"subscripts a record: {told}"
        elif isinstance(node, ast.Compare) and any(is_content(each) for each in node.comparators):
            yield f"looks into a record: {told}"
        elif isinstance(node, ast.Call):
            yield from _calls(node, told)
        elif isinstance(node, ast.Constant) and str(node.value).startswith("ledger/"):
            yield f"a key by hand: {told}"


def _calls(node: ast.Call, told: str) -> Iterator[str]:
    called = node.func
    if any(
        isinstance(part, ast.Constant) and part.value == "~"
        for part in (*node.args, *ast.iter_child_nodes(called))
    ):
        yield f"a key by hand: {told}"
    if isinstance(called, ast.Name) and called.id in {"Identity", "Variant", "JournalEntry"}:
        yield f"an identity by hand: {told}"
    elif isinstance(called, ast.Name) and called.id == "ModelRef":
        yield f"a model reference by hand: {told}"
    elif isinstance(called, ast.Attribute):
        on = called.value
        if is_content(on) and called.attr in {"get", "items", "keys"}:
            yield f"looks into a record: {told}"
        elif called.attr == "parse" and isinstance(on, ast.Name) and on.id in {"Identity", "JournalEntry"}:
            yield f"parses a key: {told}"
        elif called.attr in CUTTING and isinstance(on, ast.Attribute) and on.attr in PARTS:
            yield f"cuts an identity up: {told}"


def test_nobody_else_takes_keys_or_records_apart() -> None:
    files = [path for folder in READERS for path in (ROOT / folder).rglob("*.py")]
    others = [path for path in files if ROOT / "iris_core" / "ledger" not in path.parents]
    assert len(others) > 100
    found = [
        f"{path.relative_to(ROOT)}: {fault}"
        for path in others
        for fault in faults(ast.parse(path.read_text(encoding="utf-8")))
        if not any(path.match(name) and what in fault for name, what in HOMES.items())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "code",
    [
        'record.inputs["object"]',
        'record.evidence.get("rows")',
        '"model" in record.inputs',
        "Identity.parse(path)",
        'Identity("drift", day, subject, "verdict")',
        'identity.variant.split("+")[0]',
        'record.subject.endswith("-v1")',
        'f"ledger/{env}/training"',
        '"~".join(parts)',
        'ModelRef(name="m", version=1, run_id="r")',
    ],
)
def test_what_it_finds(code: str) -> None:
    assert len(list(faults(ast.parse(code)))) == 1
