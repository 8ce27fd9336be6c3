"""The demo's parts without a stack; tests/e2e/test_demo.py plays it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devstack import demo
from devstack.acts import Act
from devstack.demo import Result
from devstack.hops import Hop, HopMissing

pytestmark = pytest.mark.unit


def test_seconds_are_counted_from_the_upload() -> None:
    told: list[Hop] = []
    act = Act("clean", told.append)
    act.saw("landed", act.began + timedelta(seconds=1.5))
    act.saw("run_started", act.began - timedelta(milliseconds=3))
    assert [hop.seconds_since_upload for hop in told] == [1.5, 0.0]


@pytest.mark.parametrize(
    ("before", "after", "rises"),
    [("none", "high", True), ("low", "medium", True), ("medium", "medium", False), ("high", "low", False)],
)
def test_the_severity_must_rise(before: str, after: str, rises: bool) -> None:
    if rises:
        demo.check_rise(before, after, "petals 3 cm longer")
        return
    with pytest.raises(HopMissing, match=rf"drift: petals 3 cm longer .* but {before} became {after}"):
        demo.check_rise(before, after, "petals 3 cm longer")


def test_figures_of_a_demo_that_failed() -> None:
    figures = {figure.name: figure for figure in demo.figures(Result(seconds=3, error="landed: no answer"))}
    assert figures["clean_upload_to_verdict_s"].value is None
    assert figures["clean_upload_to_verdict_s"].reason == "landed: no answer"
