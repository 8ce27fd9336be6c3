"""A short chaos in `make test`; `make chaos` is the long one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devstack.home import Home
from devstack.stack import Stack
from tests.chaos.harness import INBOX, Parameters, embedded_only, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_500)]


def test_nothing_is_lost_or_doubled_while_parts_are_killed(tmp_path: Path) -> None:
    stack = Stack(Home(tmp_path / "iris"), embedded_only(os.environ) | INBOX)
    try:
        stack.up()
        outcome = run(stack, Parameters(seed=3, uploads=16, kills=5, settle_s=900, poison=4), print)
    finally:
        stack.down()

    assert outcome.left == ""
    assert outcome.audit.lost == []
    assert outcome.audit.doubled == []
    assert outcome.audit.orphaned == []
    assert outcome.audit.wrong_newest == []
    assert outcome.poison == 4
    assert len(outcome.faults) == 5
    assert sum(outcome.audit.outcomes.values()) >= 10
