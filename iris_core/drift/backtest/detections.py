"""Drifts that the verdict must see, one function each: a round draws a reference and a batch, and judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from iris_core.drift.backtest.populations import CLASS, NAMES
from iris_core.drift.backtest.rates import side, verdict
from iris_core.drift.known import Earlier, Known
from iris_core.drift.performance import Answered
from iris_core.drift.thresholds import Severity, rank
from iris_core.drift.verdict import judge

REFERENCE, LARGE_REFERENCE, SMALL_REFERENCE = 500, 5_000, 120
LABEL = "label"

Round = Callable[[np.random.Generator], Severity]


@dataclass(frozen=True)
class Detection:
    """A figure: the share of rounds at `least` or worse, its goal, and how many rounds it takes."""

    name: str
    play: Round
    least: Severity
    goal: float
    rounds: float = 1.0
    """Share of the usual number of rounds."""


def detected_share(detection: Detection, rounds: int, seed: int) -> tuple[float, int]:
    """Share of the rounds in which a drift was seen, and the number of rounds."""
    rng = np.random.default_rng([seed, len(detection.name)])
    turns = max(20, round(rounds * detection.rounds))
    seen = sum(rank(detection.play(rng)) >= rank(detection.least) for _ in range(turns))
    return seen / turns, turns


def _normal(rng: np.random.Generator, n: int) -> pl.DataFrame:
    return pl.DataFrame(rng.standard_normal((n, len(NAMES))), schema=list(NAMES))


def stuck(rows: int) -> Round:
    """10 % of the rows of one column stuck at the mean."""

    def play(rng: np.random.Generator) -> Severity:
        is_stuck = pl.int_range(pl.len()) < rows // 10
        batch = _normal(rng, rows).with_columns(pl.when(~is_stuck).then(pl.col(NAMES[0])).otherwise(0.0))
        return verdict(_normal(rng, LARGE_REFERENCE), batch, NAMES).severity

    return play


def turned(rng: np.random.Generator) -> Severity:
    """A correlation of 0.9 between two columns becomes one of -0.9, at 300 rows."""

    def table(n: int, correlation: float) -> pl.DataFrame:
        rest = float(np.sqrt(1 - correlation**2))
        second = correlation * pl.col(NAMES[0]) + rest * pl.col(NAMES[1])
        return _normal(rng, n).with_columns(second.alias(NAMES[1]))

    return verdict(table(REFERENCE, 0.9), table(300, -0.9), NAMES).severity


def prior(rng: np.random.Generator) -> Severity:
    """Three classes, predicted alike, become 60, 20 and 20 % at 300 rows; the features stay."""
    reference, batch = (
        _normal(rng, n).with_columns(pl.Series(CLASS, rng.choice(["a", "b", "c"], n, p=shares)))
        for n, shares in ((REFERENCE, (1 / 3, 1 / 3, 1 / 3)), (300, (0.6, 0.2, 0.2)))
    )
    return verdict(reference, batch, NAMES).severity


def pooled_small_files(rng: np.random.Generator) -> Severity:
    """Ten files of 19 rows, one column a standard deviation higher; the verdict on the tenth."""
    reference = side(_normal(rng, SMALL_REFERENCE), NAMES)
    earlier: list[Earlier] = []
    severity: Severity = "insufficient"
    for _ in range(10):
        batch = _normal(rng, 19).with_columns(pl.col(NAMES[0]) + 1)
        found = judge(reference, side(batch, NAMES), Known(earlier=tuple(earlier)))
        severity = found.severity
        earlier.append(Earlier(found.scores, is_judged=severity != "insufficient"))
    return severity


def all_wrong(rng: np.random.Generator) -> Severity:
    """1,000 labelled rows, all predicted wrong, in the usual shares; the holdout was 95 % right."""
    reference, batch = (
        _normal(rng, n).with_columns(pl.Series(CLASS, rng.choice(["a", "b"], n))) for n in (REFERENCE, 1_000)
    )
    wrong = pl.when(pl.col(CLASS) == "a").then(pl.lit("b")).otherwise(pl.lit("a"))
    known = Known(label=LABEL, holdout=Answered(rows=100, right=95))
    return verdict(reference, batch.with_columns(wrong.alias(LABEL)), NAMES, known).severity


DETECTIONS = (
    Detection("detect_shape_n3000", stuck(3_000), "low", 0.95, 0.3),
    Detection("detect_shape_n20000", stuck(20_000), "low", 0.95, 0.2),
    Detection("detect_correlation_n300", turned, "low", 0.9, 0.3),
    Detection("detect_prior_60_20_20_n300", prior, "low", 0.9, 0.3),
    Detection("detect_pooled_19x10", pooled_small_files, "low", 0.9, 0.3),
    Detection("detect_all_wrong_medium", all_wrong, "medium", 1.0, 0.3),
)
