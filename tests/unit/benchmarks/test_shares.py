"""Figures of a benchmark that is run in parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.shares import allowed, at_least, at_most, store
from devstack.home import Home, find_home

pytestmark = pytest.mark.unit


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return find_home({"IRIS_HOME": str(tmp_path)})


def test_a_goal_leaves_three_standard_errors() -> None:
    assert allowed(0.05, 100) == pytest.approx(0.05 + 3 * 0.0218, abs=1e-4)
    assert allowed(0.0, 100) == 0.0


def test_a_run_of_a_part_keeps_the_figures_of_the_others(home: Home) -> None:
    rare, seen = at_most("alarm", 0.04, 0.05, (600, "normal")), at_least("seen", 0.9, 0.95, (100, "low"))
    store(home, "bench-parts", [rare, seen], {"seed": 7})
    store(home, "bench-parts", [at_least("seen", 0.96, 0.95, (400, "low"))], {"seed": 8})
    stored = json.loads((home.results / "bench-parts.json").read_text())
    assert [(one["name"], one["value"], one["met"]) for one in stored["figures"]] == [
        ("alarm", 0.04, True),
        ("seen", 0.96, True),
    ]
    measured = stored["parameters"]["measured"]
    assert measured["alarm"] == {"seed": 7, "rounds": 600, "standard_error": 0.008, "case": "normal"}
    assert measured["seen"]["seed"] == 8
