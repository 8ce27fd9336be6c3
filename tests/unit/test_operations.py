"""docs/operations.md: the metrics that it names are Airflow's, the sentences that it explains are ours."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from iris_core import errors
from iris_core.errors import IrisError

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
METRIC = re.compile(r"^\| `([a-z_.-]+)` \|", re.MULTILINE)


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


@cache
def literals() -> str:
    """Every string of the code; what is filled in ends a line."""
    folders = ("iris_core", "plugins", "provider", "devstack")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return re.sub(r"%[sd]", "\n", "\n".join(texts))


def sentences() -> list[str]:
    quoted = re.findall(r"`([^`]*)`", section("What the watchers say") + section("What tasks say"))
    return [quote for quote in quoted if " " in quote]


def test_there_are_sentences_to_check() -> None:
    assert len(sentences()) >= 15


@pytest.mark.parametrize("sentence", sentences())
def test_a_sentence_is_one_that_the_code_says(sentence: str) -> None:
    for part in sentence.split("…"):
        assert part.strip(" .:") in literals(), part


def test_every_error_is_explained() -> None:
    ours = {
        name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, IrisError)
    }
    explained = section("What tasks say")
    no_task_raises = {"IrisError", "ProfileUnusable", "StackError"}
    assert {name for name in ours if f"`{name}`" not in explained} == no_task_raises


def test_a_metric_is_one_that_airflow_or_we_send() -> None:
    from airflow._shared.observability.metrics.metrics_registry import YAML_REGISTRY_PATH, read_metrics_yaml

    named = METRIC.findall(section("Metrics"))
    sent = {metric["name"] for metric in read_metrics_yaml(str(YAML_REGISTRY_PATH))}
    assert len(named) >= 15
    ours = {name for name in named if name.startswith("iris.")}
    assert [name for name in named if name not in sent | ours] == []
    assert [name for name in ours if name not in literals().splitlines()] == []
