"""When drift may start another training."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from iris_core.monitoring.retrain_policy import Past, Policy, decide

pytestmark = pytest.mark.unit

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
POLICY = Policy(timedelta(hours=6), 2)


def ago(hours: float, data: str) -> Past:
    return Past(NOW - timedelta(hours=hours), data)


@pytest.mark.parametrize(
    ("past", "allowed", "final", "words"),
    [
        ([], True, False, "drift asked for it"),
        ([ago(5.9, "a")], False, False, "cooling down"),
        ([ago(6, "a")], True, False, ""),
        ([ago(7, "a"), ago(20, "b")], False, False, "RETRAIN_BUDGET=2"),
        ([ago(7, "a"), ago(24, "b")], True, False, ""),
        ([ago(700, "now")], False, True, "did not end the drift"),
        ([ago(1, "now")], False, True, "did not end the drift"),
    ],
)
def test_decision(past: list[Past], allowed: bool, final: bool, words: str) -> None:
    found = decide(past, "now", NOW, POLICY)
    assert (found.is_allowed, found.is_final) == (allowed, final)
    assert words in found.reason
