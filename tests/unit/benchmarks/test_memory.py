"""The figures of `make bench-memory`: each component's share, and their sum."""

from __future__ import annotations

import pytest

from benchmarks.memory import Held, figures, median

pytestmark = pytest.mark.unit


def test_each_component_has_a_figure_and_they_add_up() -> None:
    held = [
        Held("mlflow", "main", 200.0, 190.0),
        Held("scheduler", "main", 150.0, 60.0),
        Held("scheduler", "child", 90.0, 30.0),
        Held("dag-processor", "main", 80.0, 5.0),
    ]
    found = {figure.name: figure.value for figure in figures(held)}
    assert found == {
        "stack_pss_mb": 520,
        "store_pss_mb": 0,
        "mlflow_pss_mb": 200,
        "api_server_pss_mb": 0,
        "scheduler_pss_mb": 240,
        "dag_processor_pss_mb": 80,
        "triggerer_pss_mb": 0,
    }


def test_the_median_sample_is_one_of_those_taken() -> None:
    small, middle, large = ([Held("store", "main", size, size)] for size in (50.0, 60.0, 90.0))
    assert median([large, small, middle]) == middle
    assert median([large, small]) == small
