"""`make bench-backtest` with few rounds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import backtest

pytestmark = [pytest.mark.unit, pytest.mark.slow]


def test_figures_are_measured_told_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IRIS_HOME", str(tmp_path))
    figure = "detect_half_sd_n100"
    backtest.main(
        only=figure,
        families="normal",
        rounds=1,
        again=1,
        shift_rounds=20,
        models=1,
        models_again=1,
        baseline_rounds=1,
        compared=0,
        seed=7,
    )
    assert f"[1/1, 0 s] {figure}" in capsys.readouterr().out
    found = json.loads((tmp_path / "results/bench-backtest.json").read_text())
    [measured] = [one for one in found["figures"] if one["name"] == figure]
    assert measured["value"] > 0.5
