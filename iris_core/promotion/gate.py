"""The gate: from evidence to a verdict. The same evidence, the same verdict.

A challenger is refused when it does not reach ACCURACY_THRESHOLD; when it is not shown to be better than
always naming the majority class; when its table's labels cannot be learned, a class is missing, or a
column's mean is not where `project.json` says it typically is; or when it is shown to be worse than the
champion by more than PROMOTION_MARGIN, in all or at one class. What a small holdout cannot show about a
champion is said, and not held against the challenger. A table that surprises the champion is suspect:
PROMOTION_ON_SUSPECT says what becomes of its model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.records.promotion import (
    Champion,
    ClassSlice,
    ColumnPlacement,
    Floor,
    GateEvidence,
    Interval,
    Pairs,
    Surprise,
)
from iris_core.promotion.paired import exact_p_value

LEAST_CLASS_ROWS = 3
"""Of a class with fewer holdout rows, none may be recognised by chance."""


class Check(BaseModel):
    """One question to the evidence, and the answer as a sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    passed: bool
    sentence: str


class Verdict(BaseModel):
    """All checks; a model is promoted when it passes every one of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def reason(self) -> str:
        """What refused it, else what it passed."""
        told = [check for check in self.checks if check.passed == self.passed]
        return "; ".join(check.sentence for check in told)


def gate_verdict(evidence: GateEvidence) -> Verdict:
    """Every check, whether it passes or not."""
    return Verdict(
        checks=(
            _check_threshold(evidence),
            _check_floor(evidence.floor),
            _check_learnable(evidence.learnable),
            *_check_classes(evidence.classes),
            *_check_typical(evidence.columns),
            *_check_champion(evidence),
            *_check_surprise(evidence.surprise),
        )
    )


def _check_surprise(surprise: Surprise | None) -> Iterator[Check]:
    """Suspect is not refused, unless the deployment says so: a human may know better."""
    if surprise and surprise.is_suspect:
        passed = surprise.on_suspect != "refuse"
        yield Check(name="surprise", passed=passed, sentence=surprise.sentence)


def _check_threshold(evidence: GateEvidence) -> Check:
    passed = evidence.accuracy >= evidence.threshold
    interval = evidence.accuracy_interval
    return Check(
        name="threshold",
        passed=passed,
        sentence=f"accuracy {evidence.accuracy:.3f} on {evidence.holdout_rows} holdout rows "
        f"is {'at least' if passed else 'below'} ACCURACY_THRESHOLD={evidence.threshold:g} "
        f"(95 % interval {interval.low:.2f} to {interval.high:.2f})",
    )


def _check_floor(floor: Floor) -> Check:
    shown = "better" if floor.passed else "not shown to be better"
    too_small = _more_rows(floor.pairs) if _too_small(floor) else ""
    return Check(
        name="floor",
        passed=floor.passed,
        sentence=f"{shown} than always answering {floor.majority!r}, right on {floor.majority_accuracy:.3f} "
        f"(exact paired test, p = {floor.p_value:.2g}, at most {floor.limit:g} wanted){too_small}",
    )


def _too_small(floor: Floor) -> bool:
    """Whether not even flawless answers would have shown it."""
    rows = floor.pairs.rows
    gained = rows - round(rows * floor.majority_accuracy)
    return exact_p_value(Pairs(rows=rows, better=gained, worse=0)) > floor.limit


def _more_rows(pairs: Pairs) -> str:
    return f": {pairs.rows} holdout rows are too few to show it, upload a larger table"


def _check_learnable(learnable: Floor | None) -> Check:
    name = "learnable"
    if learnable is None:
        sentence = "some class has fewer than two rows to learn from: give each more"
        return Check(name=name, passed=False, sentence=sentence)
    can = "can" if learnable.passed else "cannot"
    hint = "" if learnable.passed else ": were labels shuffled, or moved against their rows?"
    return Check(
        name=name,
        passed=learnable.passed,
        sentence=f"the labels {can} be learned from the features (cross-validated accuracy "
        f"{learnable.accuracy:.3f}, majority class {learnable.majority_accuracy:.3f}, "
        f"p = {learnable.p_value:.2g}){hint}",
    )


def _check_classes(slices: Sequence[ClassSlice]) -> Iterator[Check]:
    missing = [each.name for each in slices if not each.learned_rows or not each.rows]
    ignored = [each.name for each in slices if each.recall == 0 and each.rows >= LEAST_CLASS_ROWS]
    if missing:
        sentence = f"no rows of {_quoted(missing)} to learn from or to judge with"
    elif ignored:
        sentence = f"not one row of {_quoted(ignored)} was recognised"
    else:
        recalls = ", ".join(f"{each.name} {each.recall:.2f}" for each in slices)
        sentence = f"every class is recognised (recall: {recalls})"
    yield Check(name="classes", passed=not (missing or ignored), sentence=sentence)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _check_typical(columns: Sequence[ColumnPlacement]) -> Iterator[Check]:
    known = [each for each in columns if each.according_to]
    if not known:
        return
    odd = {each.name: each for each in reversed(known) if not each.is_typical}
    sources = " and ".join(dict.fromkeys(each.according_to for each in known))
    sentence = f"every column's mean is typical, according to {sources}"
    if odd:
        told = ", ".join(_oddity(each) for each in reversed(odd.values()))
        sentence = (
            f"{told}: were columns swapped, or is the unit another? "
            "If the world changed, declare typical_min and typical_max in project.json"
        )
    yield Check(name="columns", passed=not odd, sentence=sentence)


def _oddity(column: ColumnPlacement) -> str:
    low = "-∞" if column.typical_min is None else f"{column.typical_min:.3g}"
    high = "∞" if column.typical_max is None else f"{column.typical_max:.3g}"
    unit = f" {column.unit}" if column.unit else ""
    return (
        f"the {column.part} rows' mean of {column.name} is {column.mean:.2f}{unit}, "
        f"typically {low} to {high}{unit} according to {column.according_to}"
    )


def _check_champion(evidence: GateEvidence) -> Iterator[Check]:
    champion = evidence.champion
    if champion is None:
        sentence = f"no champion to compare with: {evidence.no_champion}"
        yield Check(name="champion", passed=True, sentence=sentence)
        return
    yield Check(
        name="champion",
        passed=not _is_worse(champion.difference, champion.margin),
        sentence=f"{_comparison(champion)} champion version {champion.version} on the same "
        f"{champion.pairs.rows} {_kind_of_rows(champion)} ({champion.challenger_accuracy:.3f} against "
        f"{champion.accuracy:.3f}, difference {champion.pairs.difference:+.3f}, 95 % interval "
        f"{champion.difference.low:+.3f} to {champion.difference.high:+.3f}, "
        f"PROMOTION_MARGIN={champion.margin:g})",
    )
    yield _check_recalls(evidence.classes, champion.margin)


def _is_worse(difference: Interval, margin: float) -> bool:
    """Shown to be worse by more than the margin: not a value within it is left in the interval."""
    return difference.high < -margin


def _comparison(champion: Champion) -> str:
    if _is_worse(champion.difference, champion.margin):
        return "worse than"
    if champion.difference.low > 0:
        return "better than"
    if champion.difference.low >= -champion.margin:
        return "not worse, within the margin, than"
    unseen = f"a loss below {champion.detectable_loss:.2f} would not show here"
    return f"not shown to be worse by more than the margin ({unseen}) than"


def _kind_of_rows(champion: Champion) -> str:
    if champion.compared_on == "unseen rows":
        return "holdout rows that it was not trained on"
    if champion.rows_seen is None:
        return "holdout rows; which of them it was trained on is not known"
    seen = champion.rows_seen
    return f"holdout rows, {seen} of which it was trained on" if seen else "holdout rows"


def _check_recalls(slices: Sequence[ClassSlice], margin: float) -> Check:
    """A class may lose what the whole may, were it all lost in that class and classes equally frequent."""
    allowed = margin * len(slices)
    worse = [each for each in slices if each.difference and _is_worse(each.difference, allowed)]
    told = [
        f"{each.name} (recall {each.recall:.2f} against {each.champion_recall:.2f}, difference at most "
        f"{each.difference.high:+.2f})"
        for each in worse
        if each.difference and each.recall is not None and each.champion_recall is not None
    ]
    sentence = (
        f"worse than the champion at {', '.join(told)}" if worse else "not shown to be worse at any class"
    )
    return Check(name="recalls", passed=not worse, sentence=sentence)
