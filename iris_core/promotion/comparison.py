"""The gate's checks against earlier versions: the champion, the best earlier version, the champions since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from iris_core.ledger.records.gate import Champion, ClassSlice, GateEvidence, Interval, Slide
from iris_core.promotion.check import Check


def check_champion(evidence: GateEvidence) -> Iterator[Check]:
    champion = evidence.champion
    if champion is None:
        sentence = f"no champion to compare with: {evidence.no_champion}"
        yield Check(name="champion", passed=True, sentence=sentence)
        return
    yield Check(
        name="champion",
        passed=not _is_worse(champion.difference, champion.margin),
        sentence=f"{_comparison(champion)} champion version {champion.version} on the same "
        f"{champion.pairs.rows} {_kind_of_rows(champion)} ({_difference(champion)})",
    )
    yield _check_recalls(evidence.classes, champion.margin)


def _difference(earlier: Champion) -> str:
    ours, theirs = earlier.shown
    return (
        f"{ours:.3f} against {theirs:.3f}, difference {earlier.gain:+.3f}, 95 % interval "
        f"{earlier.difference.low:+.3f} to {earlier.difference.high:+.3f}, "
        f"PROMOTION_MARGIN={earlier.margin:g}"
    )


def check_anchor(anchor: Champion | None) -> Iterator[Check]:
    """The margin is for all steps since the best version together.

    Refused when a loss is shown, and is more than the margin as measured: what is only shown to be more than
    the margin lets every step lose a little, and all of them a lot.
    """
    if anchor is None:
        return
    is_worse = anchor.difference.high < 0 and -anchor.gain > anchor.margin
    told = "worse by more than the margin" if is_worse else "not shown to be worse by more than the margin"
    sentence = (
        f"{told} than version {anchor.version}, the best earlier one, on the same {anchor.pairs.rows} "
        f"{_kind_of_rows(anchor)} ({_difference(anchor)}): the margin is for all steps since then together"
    )
    yield Check(name="anchor", passed=not is_worse, sentence=sentence)


def check_slide(slide: Slide | None, champion: Champion | None) -> Iterator[Check]:
    """After steps that were too small to show, and have lost more than the margin, only a step up passes."""
    if slide is None or champion is None:
        return
    is_up = champion.difference.low > 0
    lost = "have lost more than the margin" if slide.is_too_long else "are not shown to have lost more"
    tables = f" of {slide.tables} tables" if slide.tables > 1 else ""
    told = (
        f"the champions since version {slide.version} {lost} ({slide.all_rows} rows{tables}, difference "
        f"{slide.all_gain:+.3f}, 95 % interval {slide.difference.low:+.3f} to {slide.difference.high:+.3f}, "
        f"PROMOTION_MARGIN={slide.margin:g})"
    )
    if slide.is_too_long and is_up:
        told = f"{told}, and this one is shown to be better than the champion"
    elif slide.is_too_long:
        told = (
            f"{told}, and this one is not shown to be better than the champion: go back to "
            f"version {slide.version} (iris rollback), or upload a larger table"
        )
    yield Check(name="slide", passed=is_up or not slide.is_too_long, sentence=told)


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
