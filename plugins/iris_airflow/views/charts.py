"""The page's charts, each from what the overview holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import pygal
from markupsafe import Markup

from iris_airflow.views.drawing import drawn, settings
from iris_core.drift.thresholds import SEVERITIES
from iris_core.overview import Overview
from iris_core.overview.drifting import FeatureSeries

MOST_FEATURES = 12
MOST_CLASSES = 8
WIDE, HIGH = 900, 200
BINS = 10


def scores(state: Overview) -> Markup:
    """The scores of the models that were judged, with their intervals, oldest first."""
    judged = [one for one in state.decisions if one.score is not None][::-1]
    if not judged:
        return Markup("")
    chart = pygal.Line(
        **settings(WIDE, HIGH, stroke=False, range=(0, 1) if state.metric == "accuracy" else None)
    )
    chart.x_labels = [f"v{one.version} {one.trace.outcome}" for one in judged]
    chart.add(
        state.metric,
        [
            {"value": one.score, "ci": {"low": one.low, "high": one.high}, "label": _day(one.trace.at)}
            for one in judged
        ],
    )
    told = "; ".join(f"version {one.version} {one.trace.outcome}, {one.score:.3f}" for one in judged)
    return drawn(chart, "scores", f"{state.metric} of the models that were judged, with intervals", told)


def mix(state: Overview) -> Markup:
    """The share of each predicted class in the last scorings, oldest first."""
    tables = [one for one in state.scorings if one.rows][::-1]
    if not tables:
        return Markup("")
    total: Counter[str] = Counter()
    for one in tables:
        total.update(one.classes)
    named = [name for name, _ in total.most_common(MOST_CLASSES)]
    chart = pygal.StackedBar(
        **settings(WIDE, HIGH + 40, range=(0, 1), show_legend=True, legend_at_bottom=True)
    )
    chart.x_labels = _days([one.trace.at for one in tables])
    for name in named:
        chart.add(name, [one.classes.get(name, 0) / one.rows for one in tables])
    newest = tables[-1]
    told = ", ".join(f"{name} {newest.classes.get(name, 0) / newest.rows:.0%}" for name in named)
    return drawn(chart, "mix", "Share of each predicted class in the last scorings", f"The newest: {told}")


def severities(state: Overview) -> Markup:
    """The severity of each verdict, oldest first."""
    points = state.drift[::-1]
    chart = pygal.Line(**settings(WIDE, HIGH - 20, stroke=False, dots_size=5, range=(0, len(SEVERITIES) - 1)))
    chart.x_labels = _days([one.trace.at for one in points])
    chart.y_labels = [{"label": name, "value": place} for place, name in enumerate(SEVERITIES)]
    for place, name in enumerate(SEVERITIES):
        chart.add(name, [place if one.severity == name else None for one in points])
    counted = Counter(one.severity for one in points)
    told = ", ".join(f"{name} {counted[name]} times" for name in SEVERITIES if counted[name])
    return drawn(
        chart,
        "severities",
        "Severity of the last drift verdicts",
        f"{told}; the newest: {points[-1].severity}",
    )


def feature(one: FeatureSeries) -> Markup:
    """A feature's value in each batch, with that of the training data and the limits of medium drift."""
    if not one.points:
        return Markup("")
    chart = pygal.Line(**settings(320, 130, dots_size=2.5, y_labels_major_count=3, show_minor_y_labels=False))
    chart.add("value", [point.value for point in one.points])
    for name in ("reference", "low", "high"):
        chart.add(name, [getattr(point, name) for point in one.points], show_dots=False)
    newest = one.points[-1]
    limits = (
        f", medium drift below {newest.low:.4g} or above {newest.high:.4g}" if newest.low is not None else ""
    )
    what = f"share of {one.level}" if one.level else "mean"
    told = f"Newest {newest.value:.4g}, training data {newest.reference:.4g}{limits}"
    return drawn(chart, f"feature-{_word(one.name)}", f"{one.name}: {what} over the last batches", told)


def accuracies(state: Overview) -> Markup:
    """The accuracy of each model version on late labels, oldest first."""
    points = state.labels[::-1]
    chart = pygal.Line(**settings(WIDE, HIGH, range=(0, 1), show_legend=True, legend_at_bottom=True))
    chart.x_labels = _days([one.trace.at for one in points])
    for version in sorted({one.version for one in points}):
        chart.add(f"version {version}", [one.accuracy if one.version == version else None for one in points])
    told = "; ".join(f"version {one.version} {one.accuracy:.1%} of {one.joined} rows" for one in points)
    return drawn(chart, "accuracies", "Accuracy on labels that came later", told)


def latencies(state: Overview) -> Markup:
    """How many of the last loops took how long."""
    ready = [one.to_predictions for one in state.loops]
    judged = [one.to_verdict for one in state.loops if one.to_verdict is not None]
    width = max([*ready, *judged, 0.001]) / BINS
    chart = pygal.Histogram(
        **settings(WIDE, HIGH, show_legend=True, legend_at_bottom=True, x_title="seconds")
    )
    counted = {"to predictions": _bins(ready, width), "to the verdict": _bins(judged, width)}
    highest = max(height for bars in counted.values() for height, _, _ in bars)
    chart.y_labels = range(0, highest + 1, max(1, highest // 5))
    for name, bars in counted.items():
        chart.add(name, bars)
    told = f"Predictions after {_middle(ready):.1f} s in the middle"
    told += f", verdicts after {_middle(judged):.1f} s" if judged else ""
    return drawn(chart, "latencies", "Seconds from landing to predictions and to the verdict", told)


def _bins(values: Iterable[float], width: float) -> list[tuple[int, float, float]]:
    """Height, beginning and end of each bar."""
    counted = Counter(min(int(value / width), BINS - 1) for value in values)
    return [(counted[place], place * width, (place + 1) * width) for place in range(BINS)]


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _days(moments: Sequence[datetime]) -> list[str]:
    """A label for each time; only so many that they do not cover each other."""
    every = max(1, len(moments) // 8)
    return [_day(one) if place % every == 0 else "" for place, one in enumerate(moments)]


def _day(moment: datetime) -> str:
    return f"{moment:%m-%d %H:%M}"


def _word(name: str) -> str:
    return "".join(
        letter if letter.isascii() and letter.isalnum() else f"-{ord(letter):x}-" for letter in name
    )
