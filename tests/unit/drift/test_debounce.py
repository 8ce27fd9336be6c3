"""N of M."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.drift.debounce import counted, debounced
from iris_core.drift.thresholds import SEVERITIES, Severity

pytestmark = pytest.mark.unit

LETTERS: dict[str, Severity] = {"i": "insufficient", "n": "none", "l": "low", "m": "medium", "h": "high"}


@pytest.mark.parametrize(
    ("history", "alert", "violations", "seen"),
    [
        ("", False, 0, 0),
        ("h", False, 1, 1),
        ("hh", True, 2, 2),
        ("hnh", True, 2, 3),
        ("hnnh", False, 1, 3),
        ("hhn", False, 2, 3),  # the newest looks well
        ("mh", True, 2, 2),
        ("lh", False, 1, 2),
        ("hiih", True, 2, 2),  # insufficient takes no place
        ("hhi", False, 2, 2),
    ],
)
def test_two_of_three_at_medium(history: str, alert: bool, violations: int, seen: int) -> None:
    found = debounced([LETTERS[letter] for letter in history], 3, 2, "medium")
    assert (found.alert, found.violations, found.seen) == (alert, violations, seen)


@given(st.lists(st.sampled_from(SEVERITIES)), st.integers(1, 6), st.integers(1, 6))
def test_an_alert_has_its_violations_within_the_window(
    history: list[Severity], window: int, needed: int
) -> None:
    found = debounced(history, window, needed, "low")
    assert found.violations <= found.seen <= window
    assert not found.alert or (found.violations >= needed and history[-1] in ("low", "medium", "high"))


@pytest.mark.parametrize(
    ("severity", "chance", "needed", "expected"),
    [
        ("low", 0.005, 2, "low"),
        ("low", 0.0051, 2, "none"),
        ("low", 0.005, 1, "none"),  # one batch alone must be surer
        ("high", 0.0005, 1, "high"),
        ("insufficient", 1.0, 2, "insufficient"),
    ],
)
def test_a_batch_counts_when_its_chance_is_small_enough(
    severity: Severity, chance: float, needed: int, expected: Severity
) -> None:
    assert counted(severity, chance, needed) == expected
