"""Figures for machines keep their shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest

from devstack.figures import Figure, write_figures
from devstack.home import Home

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "goal", "better", "met"),
    [
        (12.4, 12, "higher", True),
        (11.9, 12, "higher", False),
        (170.0, 180, "lower", True),
        (None, 180, "lower", None),
        (3.0, None, "lower", None),
    ],
)
def test_met(
    value: float | None, goal: float | None, better: Literal["higher", "lower"], met: bool | None
) -> None:
    assert Figure(name="a", value=value, unit="s", goal=goal, better=better).met is met


def test_the_file(tmp_path: Path) -> None:
    figure = Figure(name="demo_s", value=None, unit="s", goal=180, reason="landed: no answer")
    write_figures(Home(tmp_path), "demo", [figure], {"seed": 1})
    content = json.loads((tmp_path / "results" / "demo.json").read_text())
    assert content["target"] == "demo"
    assert content["machine"].keys() == {"cores", "memory_gb"}
    assert content["parameters"] == {"seed": 1}
    wanted = {"name": "demo_s", "value": None, "unit": "s", "goal": 180, "met": None, "better": "lower"}
    assert wanted.items() <= content["figures"][0].items()
