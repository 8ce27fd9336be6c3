"""Charts of the page: drawn again only when their values are others."""

from __future__ import annotations

from typing import Any

import pygal
import pytest

from iris_airflow.views.drawing import drawn, settings

pytestmark = pytest.mark.unit


def chart(values: list[float], labels: list[str], **more: Any) -> pygal.Line:
    found = pygal.Line(**settings(300, 100, **more))
    found.x_labels = labels
    found.add("mean", values)
    return found


def test_the_same_chart_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = drawn(chart([1.0, 2.5], ["a", "b"]), "once", "Means", "of two batches")
    again = chart([1.0, 2.5], ["a", "b"])
    monkeypatch.setattr(again, "render_tree", lambda: pytest.fail("drawn again"))
    assert drawn(again, "once", "Means", "of two batches") == first


@pytest.mark.parametrize(
    "other",
    [
        chart([1.0, 2.6], ["a", "b"]),
        chart([1.0, 2.5], ["a", "c"]),
        chart([1.0, 2.5], ["a", "b"], range=(0, 9)),
    ],
)
def test_a_chart_with_other_values_labels_or_settings_is(other: pygal.Line) -> None:
    first = drawn(chart([1.0, 2.5], ["a", "b"]), "other", "Means", "of two batches")
    assert drawn(other, "other", "Means", "of two batches") != first
    assert ">of two batches<" in first
