"""The gate: from evidence to a verdict. The same evidence, the same verdict.

A challenger is refused when its score in the declared metric does not reach ACCURACY_THRESHOLD; when it is
not shown to know more than a model that always names the majority class; when its table's labels cannot be
learned, a class is missing, or a column's mean is not where `project.json` says it typically is; when it is
shown to be worse than the champion by more than PROMOTION_MARGIN, in all or at one class, or than the best
earlier version; when the champions since that version have lost more than the margin, and it is not shown to
be better than the champion. What a small holdout cannot show is said, and not held against the challenger. A
table that surprises the champion, or in which a column suddenly knows the answer, is suspect:
PROMOTION_ON_SUSPECT says what becomes of its model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import comb

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.records.gate import ClassSlice, ColumnPlacement, Floor, GateEvidence, Pairs
from iris_core.ledger.records.suspect import Leaks
from iris_core.promotion.check import Check
from iris_core.promotion.comparison import check_anchor, check_champion, check_slide
from iris_core.promotion.paired import exact_p_value

LEAST_CLASS_ROWS = 3
"""Of a class with fewer holdout rows, none may be recognised by chance."""


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
            *check_champion(evidence),
            *check_anchor(evidence.anchor),
            *check_slide(evidence.slide, evidence.champion),
            *_check_surprise(evidence),
            *_check_leaks(evidence.leaks),
        )
    )


def _check_surprise(evidence: GateEvidence) -> Iterator[Check]:
    """Suspect is not refused, unless the deployment says so: a human may know better."""
    surprise = evidence.surprise
    if surprise and surprise.is_suspect:
        passed = surprise.on_suspect != "refuse"
        yield Check(name="surprise", passed=passed, sentence=surprise.sentence)
    elif evidence.no_surprise:
        sentence = f"whether its table is suspect cannot be told: {evidence.no_surprise}"
        yield Check(name="surprise", passed=True, sentence=sentence)


def _check_leaks(leaks: Leaks | None) -> Iterator[Check]:
    if leaks:
        yield Check(name="leaks", passed=leaks.on_suspect != "refuse", sentence=leaks.sentence)


def _check_threshold(evidence: GateEvidence) -> Check:
    score, interval = evidence.judged
    passed = score >= evidence.threshold
    return Check(
        name="threshold",
        passed=passed,
        sentence=f"{_metric(evidence)} {score:.3f} on {evidence.holdout_rows} holdout rows "
        f"is {'at least' if passed else 'below'} ACCURACY_THRESHOLD={evidence.threshold:g} "
        f"(95 % interval {interval.low:.2f} to {interval.high:.2f})",
    )


def _metric(evidence: GateEvidence) -> str:
    return evidence.metric.replace("_", " ") + ("" if evidence.score is None else " score")


def _check_floor(floor: Floor) -> Check:
    shown = "better than" if floor.is_better else "not shown to be better than"
    too_few = _too_few(floor, "holdout rows") if not floor.passed else ""
    recognises = "" if floor.is_better or not floor.passed else f", but {_recognises(floor)}"
    return Check(
        name="floor",
        passed=floor.passed,
        sentence=f"{shown} always answering {floor.majority!r}, {_told(floor)} "
        f"(paired test, p = {floor.p_value:.2g}, at most {floor.limit:g} wanted){recognises}{too_few}",
    )


def _told(floor: Floor) -> str:
    if floor.blind_score is None:
        return f"right on {floor.majority_accuracy:.3f}"
    return f"whose score is {floor.blind_score:.3f}"


def _recognises(floor: Floor) -> str:
    return f"classes are recognised beyond chance (exact test, p = {floor.recognised_p_value:.2g})"


def _too_few(floor: Floor, rows: str) -> str:
    """What to do where not even flawless answers would have shown it."""
    total, gained = floor.pairs.rows, floor.pairs.rows - round(floor.pairs.rows * floor.majority_accuracy)
    by_paired_test = exact_p_value(Pairs(rows=total, better=gained, worse=0))
    by_recognising = 1.0 if gained in (0, total) else 2 / comb(total, gained)
    if min(by_paired_test, by_recognising) <= floor.limit:
        return ""
    others = f", {gained} of them of another class than {floor.majority!r}," if gained < total / 5 else ""
    return f": {total} {rows}{others} are too few to show it, upload a larger table"


def _check_learnable(learnable: Floor | None) -> Check:
    name = "learnable"
    if learnable is None:
        sentence = "too few rows: some class has fewer than two rows to learn from, give each more"
        return Check(name=name, passed=False, sentence=sentence)
    can = "can" if learnable.passed else "cannot"
    hint = ""
    if not learnable.passed:
        hint = _too_few(learnable, "rows") or ": were labels shuffled, or moved against their rows?"
    elif not learnable.is_better:
        hint = f"; {_recognises(learnable)}"
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
        sentence = f"too few rows: no rows of {_quoted(missing)} to learn from or to judge with"
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
