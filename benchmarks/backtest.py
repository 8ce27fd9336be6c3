"""`make bench-backtest`: the error rates that docs/drift.md states.

Measures false alarms on tables of eight families of numbers and seven with categories, at every size of
reference and batch; alerts of models that keep one reference; and the share of drifts that is seen. Our side
is the whole verdict. The baseline, on normal data, is Evidently's default preset: a column drifts. Some of
its rounds are repeated with the whole preset, to show that its test functions give the same.

A worst case is measured in two passes. A few rounds of every size find the sizes that may be the worst; many
fresh rounds of those give the figure. The largest of twenty noisy shares would lie above every true one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from typing import Annotated

import typer

from benchmarks.shares import Measured, at_least, at_most, store
from devstack.home import find_home
from iris_core.drift.backtest.detections import DETECTIONS, Detection, detected_share
from iris_core.drift.backtest.populations import CATEGORIES, Population, built_in
from iris_core.drift.backtest.rates import FEWEST_ROUNDS, LARGE, Case, Cell, Rounds, cell
from iris_core.drift.backtest.sequences import Course, play
from iris_core.drift.backtest.shifts import NO_DRIFT, Shift

FAMILIES = (
    "normal",
    "lognormal",
    "pareto",
    "discrete",
    "zero_inflated",
    "mixture",
    "correlated",
    "columns_100",
)
REFERENCES = (30, 120, 500, 5_000)
CURRENTS = (30, 100, 300, 1_000, 100_000)
NORMAL, WIDE, OF_LEVELS = "normal", "columns_", "categories"
WIDE_SHARE = 4
"""A family of many columns gets a fourth of the rounds."""
LARGE_AGAIN = 3
"""Times as many rounds at 100,000 rows in the second pass."""
SUSPECTS = 3
"""How many sizes are measured again."""
TARGET = "bench-backtest"
MODELS = "models_with_false_alert_100_batches"
LOW, MEDIUM, ALERTS = 0.05, 0.01, 0.05
LARGE_REFERENCES = (500, 5_000)
LEVEL_SEEN = "detect_level_share_15pt_n500"
LEVEL_GOAL, LEVEL_SIZE, LEVEL_ROWS = 0.9, 0.15, 500
LEVEL_TABLES = ("categories_8", "levels_and_numbers")
TINY, TINY_ROWS = Shift("mean", 0.02), 100_000
Played = tuple[str, Case]
"""A family, and a case that was played with it."""
COURSES = tuple(Course(reference, batch) for reference in (120, 500, 5_000) for batch in (100, 1_000))


@dataclass(frozen=True)
class Amount:
    """How many rounds are drawn.

    False alarms: `rounds` of each size (a tenth at 100,000 rows), then `again` of the sizes that may be the
    worst. Detections: `shift_rounds`. Models: `models` of each size, then `models_again` of the worst.
    Evidently's default: `baseline_rounds`, `compared` of them with its whole preset.
    """

    rounds: int
    again: int
    shift_rounds: int
    models: int
    models_again: int
    baseline_rounds: int
    compared: int
    seed: int

    def first(self, family: str) -> Rounds:
        """Rounds of every size; Evidently's default is measured on normal data only."""
        baseline = (self.baseline_rounds, self.compared) if family == NORMAL else (0, 0)
        return Rounds(self._of(family, self.rounds), *baseline, self.seed)

    def second(self, family: str, current: int) -> Rounds:
        """Fresh rounds of the sizes that may be the worst; a third of them at 100,000 rows."""
        more = LARGE_AGAIN if current >= LARGE else 1
        return Rounds(self._of(family, self.again) * more, 0, 0, self.seed + 1)

    def shifted(self) -> Rounds:
        return Rounds(self.shift_rounds, self.baseline_rounds, self.compared, self.seed)

    def first_look(self) -> Rounds:
        """A tenth of the rounds of what must be seen, to find the case that is seen the least."""
        return Rounds(max(FEWEST_ROUNDS, self.shift_rounds // 10), 0, 0, self.seed)

    def second_look(self) -> Rounds:
        """Fresh rounds of that case."""
        return Rounds(self.shift_rounds, 0, 0, self.seed + 1)

    def _of(self, family: str, rounds: int) -> int:
        return rounds // (WIDE_SHARE if family.startswith(WIDE) else 1)


@dataclass(frozen=True)
class Seen:
    """A shift of normal data that must be seen in a batch of `rows` rows."""

    name: str
    shift: Shift
    rows: int
    goal: float


SHIFTED = (
    Seen("detect_half_sd_n100", Shift("mean", 0.5), 100, 0.95),
    Seen("detect_fifth_sd_n1000", Shift("mean", 0.2), 1_000, 0.80),
)


@dataclass(frozen=True)
class Part:
    """Figures that are measured together: their names, and the function that measures them."""

    names: tuple[str, ...]
    measure: Callable[[Amount], list[Measured]]


def parts(families: Sequence[str]) -> list[Part]:
    """All parts that can be measured, each with seeds of its own."""
    return [
        *(Part(_names(family), partial(false_alarms, (family,), family)) for family in families),
        Part(_names(OF_LEVELS), partial(false_alarms, tuple(CATEGORIES), OF_LEVELS)),
        *(Part((one.name,), partial(shift_seen, one)) for one in SHIFTED),
        Part(("high_fiftieth_sd_n100000",), tiny_is_not_high),
        *(Part((one.name,), partial(detected, one)) for one in DETECTIONS),
        Part((LEVEL_SEEN,), level_seen),
        Part((MODELS,), models_that_alert),
    ]


def _names(family: str) -> tuple[str, ...]:
    by_rows = tuple(f"false_alarm_n{current}" for current in CURRENTS) if family == NORMAL else ()
    return (f"false_alarm_{family}_worst", f"medium_alarm_{family}_worst", *by_rows)


def false_alarms(families: Sequence[str], name: str, amount: Amount) -> list[Measured]:
    """Measure families together; the worst share over them and all sizes, at low and at medium. Normal data
    by batch size, too.

    :param families: the families.
    :param name: in the names of the figures.
    :param amount: how much is drawn.
    """
    populations = {family: built_in(family) for family in families}
    sizes = [Case(NO_DRIFT, reference, current) for current in CURRENTS for reference in REFERENCES]
    cells = {
        (family, case): _played(populations[family], case, amount.first(family))
        for family in families
        for case in sizes
    }
    baseline = _evidently(list(cells.values()), max)
    for family, case in (suspects := _suspects(cells)):
        cells[family, case] = _played(populations[family], case, amount.second(family, case.current))
    again = {suspect: cells[suspect] for suspect in suspects}
    low, medium, *by_rows = _names(name)
    found = [
        _worst(low, LOW, again, lambda one: one.alarms, baseline),
        _worst(medium, MEDIUM, again, lambda one: one.ours["medium"].share),
    ]
    for of_rows, current in zip(by_rows, CURRENTS, strict=False):
        those = [one for one in cells.values() if one.current == current]
        found.append(_false(of_rows, LOW, those, lambda one: one.alarms))
    return found


def _suspects(cells: dict[Played, Cell]) -> list[Played]:
    """The families and sizes with most alarms, each family's worst size, and that with most at medium or
    worse."""
    low = sorted(cells, key=lambda played: cells[played].alarms, reverse=True)
    of_each = dict(reversed(low))  # by family, its first in order
    medium = max(cells, key=lambda played: cells[played].ours["medium"].share)
    return list(dict.fromkeys([*low[:SUSPECTS], *of_each.items(), medium]))


def _worst(
    name: str,
    rate: float,
    cells: dict[Played, Cell],
    share: Callable[[Cell], float],
    baseline: float | None = None,
) -> Measured:
    """The worst of the cells, with its family where there are several."""
    family, case = max(cells, key=lambda played: share(cells[played]))
    found = _false(name, rate, [cells[family, case]], share, baseline)
    return found if family in name else replace(found, case=f"{family}, {found.case}")


def _false(
    name: str,
    rate: float,
    cells: Sequence[Cell],
    share: Callable[[Cell], float],
    baseline: float | None = None,
) -> Measured:
    """The worst of the cells; the goal leaves three standard errors."""
    worst = max(cells, key=share)
    return at_most(name, share(worst), rate, (worst.rounds, _sizes(worst)), baseline)


def shift_seen(seen: Seen, amount: Amount) -> list[Measured]:
    """Measure a shift; the least share over the references from 500 rows."""
    cases = [Case(seen.shift, reference, seen.rows) for reference in LARGE_REFERENCES]
    cells = [_played(built_in(NORMAL), case, amount.shifted()) for case in cases]
    least = min(cells, key=lambda one: one.alarms)
    return [
        at_least(seen.name, least.alarms, seen.goal, (least.rounds, _sizes(least)), _evidently(cells, min))
    ]


def level_seen(amount: Amount) -> list[Measured]:
    """Measure 15 points more of one level; the least share over the categories of two tables, one of them
    with numbers, and over the references from 500 rows."""
    cells = {
        (table, case): _played(built_in(table), case, amount.first_look())
        for table in LEVEL_TABLES
        for case in _level_cases(table)
    }
    suspects = sorted(cells, key=lambda played: cells[played].alarms)[:SUSPECTS]
    again = {(table, case): _played(built_in(table), case, amount.second_look()) for table, case in suspects}
    table, case = min(again, key=lambda played: again[played].alarms)
    least = again[table, case]
    levels = len(built_in(table).codes[case.shift.feature])
    told = f"{table}, a column of {levels} levels, {_sizes(least)}"
    return [at_least(LEVEL_SEEN, least.alarms, LEVEL_GOAL, (least.rounds, told))]


def _level_cases(table: str) -> list[Case]:
    shifts = [Shift("level", LEVEL_SIZE, name) for name in built_in(table).categories]
    return [Case(shift, reference, LEVEL_ROWS) for reference in LARGE_REFERENCES for shift in shifts]


def tiny_is_not_high(amount: Amount) -> list[Measured]:
    """0.02 sd at 100,000 rows is beyond chance, and too small to be severe."""
    cases = [Case(TINY, reference, TINY_ROWS) for reference in LARGE_REFERENCES]
    cells = [_played(built_in(NORMAL), case, amount.shifted()) for case in cases]
    return [_false("high_fiftieth_sd_n100000", 0.0, cells, lambda one: one.ours["high"].share)]


def detected(detection: Detection, amount: Amount) -> list[Measured]:
    """Measure a drift that must be seen, other than a shift of normal data."""
    share, rounds = detected_share(detection, amount.shift_rounds, amount.seed)
    return [at_least(detection.name, share, detection.goal, (rounds, f"{detection.least} or worse"))]


def models_that_alert(amount: Amount) -> list[Measured]:
    """Measure models that keep their reference; the worst share over sizes of reference and batch."""
    population, first = built_in(NORMAL), Rounds(seed=amount.seed)
    told = {course: play(population, course, amount.models, first) for course in COURSES}
    for found in told.values():
        print(f"  {found}", flush=True)
    worst = max(told, key=lambda course: told[course].share)
    again = play(population, worst, amount.models_again, Rounds(seed=amount.seed + 1))
    case = f"reference {worst.reference:,}, batches of {worst.batch:,} rows"
    return [at_most(MODELS, again.share, ALERTS, (again.models, case))]


def _played(population: Population, case: Case, options: Rounds) -> Cell:
    began, found = time.perf_counter(), cell(population, case, options)
    medium = found.ours["medium"].share
    print(
        f"  {population.name}, {found.shift}, {_sizes(found)}: {found.alarms:.1%} low or worse, {medium:.1%} "
        f"medium or worse, {found.rounds} rounds, {time.perf_counter() - began:.0f} s",
        flush=True,
    )
    if found.same < found.compared:
        print("  Evidently's whole preset gave something else than its functions")
    return found


def _sizes(found: Cell) -> str:
    return f"reference {found.reference:,}, {found.current:,} rows"


def _evidently(cells: Sequence[Cell], chosen: Callable[..., float]) -> float | None:
    shares = [one.evidently_any.share for one in cells if one.evidently_any]
    return round(chosen(shares), 4) if shares else None


def main(
    only: Annotated[str, typer.Option(help="Figures to measure: names or patterns, comma-separated.")] = "*",
    families: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join(FAMILIES),
    rounds: Annotated[int, typer.Option(help="Of each size; a tenth at 100,000 rows.")] = 60,
    again: Annotated[int, typer.Option(help="Of the sizes that may be the worst.")] = 600,
    shift_rounds: Annotated[int, typer.Option(help="Of what must be seen.")] = 1_000,
    models: Annotated[int, typer.Option(help="Of each size, with 100 batches each.")] = 20,
    models_again: Annotated[int, typer.Option(help="Of the size that may be the worst.")] = 150,
    baseline_rounds: Annotated[int, typer.Option(help="Of Evidently's default, on normal data.")] = 50,
    compared: Annotated[int, typer.Option(help="Rounds with Evidently's whole preset.")] = 1,
    seed: int = 7,
) -> None:
    """Measure, print, and write `.iris/results/bench-backtest.json`."""
    began = time.perf_counter()
    amount = Amount(rounds, again, shift_rounds, models, models_again, baseline_rounds, compared, seed)
    patterns = [pattern.strip() for pattern in only.split(",")]
    wanted = [
        part
        for part in parts(families.split(","))
        if any(fnmatch(name, pattern) for name in part.names for pattern in patterns)
    ]
    found: list[Measured] = []
    for place, part in enumerate(wanted, 1):
        print(f"[{place}/{len(wanted)}, {time.perf_counter() - began:.0f} s] {part.names[0]}", flush=True)
        found += part.measure(amount)
        store(find_home(), TARGET, found, vars(amount))
    for one in found:
        print(one.told())
    print(f"seed {seed}, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    typer.run(main)
