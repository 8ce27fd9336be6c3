"""Measures how often the verdict alarms without drift, how often it sees one, and after how many batches.

Every round draws a new reference and a new batch from a population, injects a shift into the batch, and
judges it twice: as our report does, and as Evidently's default preset does. Evidently's own test
functions are called (`stattests`), not its report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from iris_core.drift.backtest.populations import CLASS, Population
from iris_core.drift.backtest.shifts import Shift, shifted
from iris_core.drift.debounce import debounced
from iris_core.drift.known import Known
from iris_core.drift.sides import SAMPLE_ROWS, Side
from iris_core.drift.statistics import Codes, of_frame
from iris_core.drift.stattests import defaults, library_defaults
from iris_core.drift.thresholds import SEVERITIES, Severity, rank
from iris_core.drift.verdict import DriftVerdict, judge

LARGE = 50_000
"""From this many current rows on, a cell gets a tenth of the rounds."""
FEWEST_ROUNDS = 20
DATASET_SHARE = 0.5
"""Evidently's default: the dataset has drifted when this share of its columns has."""
ALARMING: tuple[Severity, ...] = ("low", "medium", "high")


@dataclass(frozen=True)
class Case:
    """A shift to inject, and the rows of reference and batch."""

    shift: Shift
    reference: int
    current: int


class Rate(BaseModel):
    """Share of the batches that were flagged, and the mean number of them until N of M were (None: never)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float
    delay: float | None


class Cell(BaseModel):
    """A case's outcome.

    `ours`: by the least severity that counts. `evidently_any`: a column drifts by Evidently's default preset;
    `evidently_dataset`: half of them do. `same` of `compared` rounds gave the same in a whole run of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shift: str
    kind: str
    size: float
    reference: int
    current: int
    rounds: int
    baseline_rounds: int
    severities: dict[Severity, int]
    ours: dict[Severity, Rate]
    evidently_any: Rate | None
    evidently_dataset: Rate | None
    compared: int = 0
    same: int = 0

    @property
    def alarms(self) -> float:
        """Share of reports whose severity is low or worse."""
        return self.ours["low"].share


@dataclass(frozen=True)
class Rounds:
    """How much is drawn, and the debounce that turns flagged batches into alerts."""

    rounds: int = 200
    baseline_rounds: int = 50
    compared: int = 1
    seed: int = 7
    window: int = 3
    needed: int = 2


def run(
    population: Population,
    cases: Iterable[Case],
    options: Rounds,
    seen: Callable[[Cell], None] | None = None,
) -> list[Cell]:
    """Every case's cell; `seen` is told of each as it is done."""
    cells = []
    for case in cases:
        cells.append(cell(population, case, options))
        if seen:
            seen(cells[-1])
    return cells


def cell(population: Population, case: Case, options: Rounds) -> Cell:
    """Play one case. The same seed gives the same cell, whatever other cases there are."""
    large = case.current >= LARGE
    rounds, baseline_rounds = (
        min(total, max(FEWEST_ROUNDS, total // 10)) if large else total
        for total in (options.rounds, options.baseline_rounds)
    )
    severities: list[Severity] = []
    columns: list[dict[str, bool]] = []
    same = 0
    for turn, (old, new) in enumerate(pairs(population, case, max(rounds, baseline_rounds), options.seed)):
        if turn < rounds:
            severities.append(severity(old, new, population))
        if turn < baseline_rounds:
            columns.append(defaults(old, new, (*population.categories, CLASS)))
        if turn < min(options.compared, baseline_rounds):
            same += (
                library_defaults(old, new, population.numbers, (*population.categories, CLASS)) == columns[-1]
            )
    return _counted(case, severities, columns, options, same)


def pairs(
    population: Population, case: Case, rounds: int, seed: int
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Reference and shifted batch of each round."""
    rng = np.random.default_rng([seed, case.reference, case.current])
    for turn in range(rounds):
        old = population.table(rng, case.reference)
        new = population.table(rng, case.current)
        yield old, shifted(new, case.shift, population, turn, rng)


def severity(reference: pl.DataFrame, current: pl.DataFrame, population: Population) -> Severity:
    """The severity of a report on two tables of a population."""
    old, new = (side(frame, population.features, population.codes) for frame in (reference, current))
    return judge(old, new).severity


def verdict(
    reference: pl.DataFrame, current: pl.DataFrame, features: Sequence[str], known: Known | None = None
) -> DriftVerdict:
    """A report's verdict on two tables: exact statistics of all rows, and a sample as large as a report's."""
    return judge(side(reference, features), side(current, features), known)


def side(frame: pl.DataFrame, features: Sequence[str], codes: Codes | None = None) -> Side:
    """A table as a report reads it."""
    sample = frame.sample(SAMPLE_ROWS, seed=0) if frame.height > SAMPLE_ROWS else frame
    return Side(of_frame(frame, features, codes), sample)


def _counted(
    case: Case, severities: list[Severity], columns: list[dict[str, bool]], options: Rounds, same: int
) -> Cell:
    flagged = [list(one.values()) for one in columns]
    return Cell(
        shift=str(case.shift),
        kind=case.shift.kind,
        size=case.shift.size,
        reference=case.reference,
        current=case.current,
        rounds=len(severities),
        baseline_rounds=len(columns),
        severities={level: severities.count(level) for level in SEVERITIES},
        ours={least: _rate([rank(one) >= rank(least) for one in severities], options) for least in ALARMING},
        evidently_any=_rate([any(one) for one in flagged], options) if flagged else None,
        evidently_dataset=(
            _rate([fmean(one) >= DATASET_SHARE for one in flagged], options) if flagged else None
        ),
        compared=min(options.compared, len(columns)),
        same=same,
    )


def _rate(flags: Sequence[bool], options: Rounds) -> Rate:
    return Rate(share=fmean(flags), delay=delay(flags, options.window, options.needed))


def delay(flags: Sequence[bool], window: int, needed: int) -> float | None:
    """Mean number of batches until `needed` of the last `window` are flagged; None: it never came to that.

    The rounds are taken as a stream of batches, which starts anew after every alert. A stream that ends
    without one counts as waiting: its batches are added to those of the alerts (exponential waiting time,
    censored).
    """
    waited, alerts, history = 0, 0, list[Severity]()
    for flag in flags:
        waited += 1
        history.append("high" if flag else "none")
        if debounced(history, window, needed, "high").alert:
            alerts += 1
            history.clear()
    return waited / alerts if alerts else None
