"""The verdict in words: which column, how much, against what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from iris_core.drift.evidently_plan import EvidentlyColumn
from iris_core.drift.scale import wider
from iris_core.drift.severity import ColumnEvidence, TermEvidence
from iris_core.drift.statistics import FeatureStatistics
from iris_core.drift.thresholds import Term

Statistics = Mapping[str, FeatureStatistics]
Phrase = Callable[[TermEvidence, FeatureStatistics, FeatureStatistics, str], str]


def sentence(
    evidence: Sequence[ColumnEvidence],
    carrying: Sequence[ColumnEvidence],
    raising: Sequence[EvidentlyColumn],
    reference: Statistics,
    current: Statistics,
    units: Mapping[str, str],
) -> str:
    """Name the first of the carrying columns and how many drifted; else say why there is no alarm."""
    rows = max(statistics.rows for statistics in current.values())
    learnt = max(statistics.rows for statistics in reference.values())
    if carrying:
        first = carrying[0]
        named = _column(first, reference, current, units)
        return f"{named}; {len(carrying)} of {len(evidence)} features drifted."
    if raising:
        return f"{_test(raising[0])}; mean, spread and range of all features are as in the training data."
    judged = [column for column in evidence if column.severity != "insufficient"]
    if not judged:
        return f"Too little data to judge: {evidence[0].note}."
    return (
        f"No drift: {len(judged)} of {len(evidence)} features look like the training data "
        f"({rows:,} rows against {learnt:,})."
    )


def _column(
    column: ColumnEvidence, reference: Statistics, current: Statistics, units: Mapping[str, str]
) -> str:
    name, term = column.column, column.carrying
    if term is None:
        return name
    return f"{name} {_PHRASES[term.term](term, reference[name], current[name], units.get(name, ''))}"


def _mean(term: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, unit: str) -> str:
    side = "higher" if term.direction == "up" else "lower"
    return (
        f"is {abs(term.value):.1f} standard deviations {side} than in the training data "
        f"(mean {_number(now.mean, unit)}, was {_number(was.mean, unit)})"
    )


def _std(term: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, unit: str) -> str:
    values = f"(standard deviation {_number(now.std, unit)}, was {_number(was.std, unit)})"
    if now.constant:
        return f"is {_number(now.mean, unit)} in every row, and varied in the training data {values}"
    ratio = wider(term.value)
    spread = f"{ratio:.1f} times wider" if ratio > 1 else f"{1 / ratio:.1f} times narrower"
    return f"is spread {spread} than in the training data {values}"


def _range(term: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, unit: str) -> str:
    extreme = now.max if term.direction == "up" else now.min
    return (
        f"reaches {_number(extreme, unit)}, far outside the training data's range "
        f"({_number(was.min, unit)} to {_number(was.max, unit)})"
    )


def _missing(_: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, _unit: str) -> str:
    shares = _share(now.missing, now), _share(was.missing, was)
    return f"is missing in {shares[0]} of the rows ({shares[1]} in the training data)"


def _infinite(_: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, _unit: str) -> str:
    shares = _share(now.infinite, now), _share(was.infinite, was)
    return f"is infinite in {shares[0]} of the rows ({shares[1]} in the training data)"


def _changed(term: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, unit: str) -> str:
    return (
        f"was {_number(was.mean, unit)} in every row of the training data and now differs in at least "
        f"{abs(term.value) * 100:.0f} % of the rows (mean {_number(now.mean, unit)})"
    )


_PHRASES: dict[Term, Phrase] = {
    "mean": _mean,
    "std": _std,
    "range": _range,
    "missing": _missing,
    "infinite": _infinite,
    "changed": _changed,
}


_METHODS = {
    "ks": "Kolmogorov-Smirnov p-value",
    "wasserstein": "Wasserstein distance",
    "jensenshannon": "Jensen-Shannon distance",
}


def _test(test: EvidentlyColumn) -> str:
    value, threshold = test.value or 0.0, test.threshold or 0.0
    if test.role == "performance":
        return f"Accuracy fell by {value * 100:.0f} percentage points ({test.current:,} labelled rows)"
    figures = (
        f"({_METHODS.get(test.method or '', test.method)} {value:.2g}, {test.direction} {threshold:.2g})"
    )
    if test.role == "prediction":
        return f"The predicted classes come in other shares than in the training data {figures}"
    return f"{test.column} is distributed differently than in the training data {figures}"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "none"
    figures = f"{value:,.1f}" if 10 <= abs(value) < 1e6 else f"{value:.2g}"
    return f"{figures} {unit}".rstrip()


def _share(part: int, whole: FeatureStatistics) -> str:
    return f"{part / whole.rows:.1%}".replace(".0%", "%").replace("%", " %")
