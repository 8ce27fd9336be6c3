"""Tells the verdict in words: which column drifted, how much, and compared with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from iris_core.drift.known import Known
from iris_core.drift.levels import REST
from iris_core.drift.pooling import TOGETHER
from iris_core.drift.scale import wider
from iris_core.drift.severity import ColumnEvidence, TermEvidence
from iris_core.drift.statistics import FeatureStatistics
from iris_core.drift.thresholds import Term
from iris_core.settings.features import OTHER_LEVEL
from iris_core.tables.findings import shown

WORTH_TELLING = 0.02
"""Rows that moved beside those of the level that is named."""

Statistics = Mapping[str, FeatureStatistics]
Phrase = Callable[[TermEvidence, FeatureStatistics, FeatureStatistics, str], str]


@dataclass(frozen=True)
class Told:
    """What a sentence is about: statistics of both sides, and what else is known."""

    reference: Statistics
    current: Statistics
    known: Known


def sentence(evidence: Sequence[ColumnEvidence], carrying: Sequence[ColumnEvidence], told: Told) -> str:
    """Name the first column that drifted, and how many did; without drift, say what could not have been seen.

    :param evidence: of every feature.
    :param carrying: the evidence of drift, of features and of whole rows, the worst first.
    :param told: what else the sentence may name.
    """
    if carrying:
        drifted = sum(column.carried_by is not None for column in evidence)
        return f"{_first(carrying[0], told)}; {drifted} of {len(evidence)} features drifted."
    judged = [column for column in evidence if column.severity != "insufficient"]
    if not judged:
        return f"Too little data to judge: {evidence[0].note}."
    rows, learnt = (max(one.rows for one in side.values()) for side in (told.current, told.reference))
    note = judged[0].note
    beside = f", {note}," if note.startswith(TOGETHER) else ""
    return (
        f"No drift seen in {len(judged)} of {len(evidence)} features "
        f"({rows:,} rows{beside} against {learnt:,}){_unseen(judged, rows)}."
    )


def _unseen(judged: Sequence[ColumnEvidence], rows: int) -> str:
    """The part about what could not have been seen: the smallest change that is beyond chance in every
    feature."""
    terms = [
        term
        for column in judged
        for term in column.terms
        if term.term in ("mean", "levels") or (term.term == "recent" and column.note.startswith(TOGETHER))
    ]
    shifts, moves = (
        [max(term.noise, term.thresholds.low) for term in terms if bool(term.moved) == is_category]
        for is_category in (False, True)
    )
    told = [f"a shift below {max(shifts):.2f} sd"] if shifts else []
    told += [f"a move of less than {_percent(max(moves))} of the rows to other levels"] if moves else []
    return f"; {' or '.join(told)} would not show with {rows:,} rows" if told else ""


def _first(column: ColumnEvidence, told: Told) -> str:
    name, term = column.column, column.carrying
    if term is None:
        return name
    if term.term in _OF_ROWS:
        return _OF_ROWS[term.term](name, term, told)
    was, now = told.reference[name], told.current[name]
    phrase = _PHRASES[term.term](term, was, now, told.known.units.get(name, ""))
    return f"{name} {phrase}" + (f", {column.note}" if column.note.startswith(TOGETHER) else "")


def _levels(term: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, _unit: str) -> str:
    """The level that moved most, and the rows that moved in all, if there are more."""
    moved = term.moved
    if moved is None:
        return f"has other levels in {_percent(term.value)} of the rows than in the training data"
    rows = "rows that have a value" if was.missing or now.missing else "rows"
    before = f"{_percent(moved.was)} in" if moved.was else "none in"
    more = term.value - abs(moved.now - moved.was) > WORTH_TELLING
    return (
        f"{_NAMED.get(moved.level) or f'is {shown(moved.level)}'} in {_percent(moved.now)} of the {rows} "
        f"({before} the training data)"
        + (f", {_percent(term.value)} of them moved to other levels in all" if more else "")
    )


_NAMED = {OTHER_LEVEL: "has levels that the model does not know", REST: "has one of its rarer levels"}


def _mean(term: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, unit: str) -> str:
    side = "higher" if term.direction == "up" else "lower"
    return (
        f"is {_times(abs(term.value))} standard deviations {side} than in the training data "
        f"(mean {_number(now.mean, unit, was.mean)}, was {_number(was.mean, unit, now.mean)})"
    )


def _std(term: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, unit: str) -> str:
    values = f"(standard deviation {_number(now.std, unit)}, was {_number(was.std, unit)})"
    if now.constant:
        return f"is {_number(now.mean, unit)} in every row, and varied in the training data {values}"
    ratio = wider(term.value)
    spread = f"{_times(ratio)} times wider" if ratio > 1 else f"{_times(1 / ratio)} times narrower"
    return f"is spread {spread} than in the training data {values}"


def _range(term: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, unit: str) -> str:
    extreme, bound, side = (
        (now.max, was.max, "above") if term.direction == "up" else (now.min, was.min, "below")
    )
    return (
        f"lies {side} the training data's range in {abs(term.value) * 100:.2g} % of the rows "
        f"({_number(was.min, unit)} to {_number(was.max, unit)}, now {_number(extreme, unit, bound)})"
    )


def _shape(term: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, unit: str) -> str:
    side = "down" if term.value > 0 else "up"
    means = f"(mean {_number(now.mean, unit, was.mean)}, was {_number(was.mean, unit, now.mean)})"
    return (
        "is distributed differently than in the training data: "
        f"{abs(term.value) * 100:.0f} % of the rows moved {side} {means}"
    )


def _recent(term: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, unit: str) -> str:
    if term.moved:
        return f"{_levels(term, was, now, unit)} over the model's last batches"
    side = "higher" if term.value > 0 else "lower"
    return f"is {abs(term.value):.2f} standard deviations {side} over the model's last batches"


def _missing(_: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, _unit: str) -> str:
    shares = _share(now.missing, now), _share(was.missing, was)
    return f"is missing in {shares[0]} of the rows ({shares[1]} in the training data)"


def _infinite(_: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, _unit: str) -> str:
    shares = _share(now.infinite, now), _share(was.infinite, was)
    return f"is infinite in {shares[0]} of the rows ({shares[1]} in the training data)"


def _changed(term: TermEvidence, was: FeatureStatistics, now: FeatureStatistics, unit: str) -> str:
    return (
        f"was {_number(was.mean, unit)} in every row of the training data and now differs in "
        f"{abs(term.value) * 100:.0f} % of the rows (mean {_number(now.mean, unit)})"
    )


_PHRASES: dict[Term, Phrase] = {
    "mean": _mean,
    "std": _std,
    "range": _range,
    "missing": _missing,
    "infinite": _infinite,
    "changed": _changed,
    "levels": _levels,
    "shape": _shape,
    "recent": _recent,
}


def _joint(name: str, term: TermEvidence, _: Told) -> str:
    return (
        f"{name} go together differently than in the training data (correlation changed by {term.value:+.2f})"
    )


def _mix(_: str, term: TermEvidence, __: Told) -> str:
    return (
        f"{abs(term.value):.0%} of the predictions moved to other classes than in the training data".replace(
            "%", " %", 1
        )
    )


def _accuracy(_: str, term: TermEvidence, told: Told) -> str:
    holdout = told.known.holdout
    was = f", {holdout.accuracy:.0%} on the holdout".replace("%", " %") if holdout else ""
    return f"Accuracy fell by {term.value * 100:.0f} points{was}"


def _rejected(_: str, term: TermEvidence, told: Told) -> str:
    return f"{told.known.rejected.rows:,} rows ({term.value:.1%}) could not be scored".replace("%", " %")


_OF_ROWS: dict[Term, Callable[[str, TermEvidence, Told], str]] = {
    "joint": _joint,
    "mix": _mix,
    "accuracy": _accuracy,
    "rejected": _rejected,
}


def _number(value: float | None, unit: str, other: float | None = None) -> str:
    """A number with two digits that count, or with as many as tell it from another one."""
    if value is None:
        return "none"
    figures = _figures(value)
    if other is not None and other != value and figures == _figures(other):
        digits = next(count for count in range(3, 18) if f"{value:.{count}g}" != f"{other:.{count}g}")
        figures = f"{value:.{digits}g}"
    return f"{figures} {unit}".rstrip()


def _figures(value: float) -> str:
    return f"{value:,.1f}" if 10 <= abs(value) < 1e6 else f"{value:.2g}"


def _times(value: float) -> str:
    return f"{value:.1f}" if value < 1e6 else f"{value:.2g}"


def _share(part: int, whole: FeatureStatistics) -> str:
    return _percent(part / whole.rows)


def _percent(share: float) -> str:
    return f"{share:.1%}".replace(".0%", "%").replace("%", " %")
