"""`make bench-backtest`: the error rates that docs/drift.md states.

False alarms on tables of eight families, at every size of reference and batch; alerts of models that keep
one reference; what is detected. Our side is the whole verdict. The baseline: a column drifts by Evidently's
default preset; some of its rounds are repeated with the whole preset, to show that its test functions give
the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Annotated, Literal

import typer

from devstack.figures import Figure, write_figures
from devstack.home import find_home
from iris_core.cli.drift import print_cells
from iris_core.drift.backtest.detections import DETECTIONS, measured
from iris_core.drift.backtest.populations import built_in
from iris_core.drift.backtest.rates import Case, Cell, Options, run
from iris_core.drift.backtest.sequences import Course, Models, play
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
NORMAL, WIDE = "normal", "columns_100"
WIDE_ROUNDS = 5
"""A family of 100 columns gets a fifth of the rounds."""
LOW, MEDIUM, ALERTS = 0.05, 0.01, 0.05
TINY = 0.02
DETECTION_FROM = 500
DETECTED = (("detect_half_sd_n100", 0.5, 0.95), ("detect_fifth_sd_n1000", 0.2, 0.80))
MODELS_OF = tuple((reference, batch) for reference in (120, 500, 5_000) for batch in (100, 1_000))
OTHERS = (Shift("scale", 1.5), Shift("missing", 0.1), Shift("mix", 0.3), Shift("label", 0.3))


def no_drift() -> Iterator[Case]:
    """Every size of reference and batch."""
    for current in CURRENTS:
        yield from (Case(NO_DRIFT, reference, current) for reference in REFERENCES)


def shifts() -> Iterator[Case]:
    """What docs/drift.md has a row for."""
    for size, current in ((0.5, 100), (0.2, 1_000), (0.02, 100_000)):
        yield from (Case(Shift("mean", size), reference, current) for reference in REFERENCES[1:])
    for shift in OTHERS:
        yield from (Case(shift, 500, current) for current in (100, 1_000))


def false_alarms(family: str, cells: Sequence[Cell]) -> list[Figure]:
    """The worst over all sizes, at low and at medium or worse, and the size that it came from."""
    worst = max(cells, key=lambda cell: cell.alarms)
    medium = max(cells, key=lambda cell: cell.ours["medium"].share)
    evidently = [cell.evidently_any.share for cell in cells if cell.evidently_any]
    baseline = round(max(evidently), 4) if evidently else None
    low, sure = (allowed(rate, cell.rounds) for rate, cell in ((LOW, worst), (MEDIUM, medium)))
    return [
        _share(f"false_alarm_{family}_worst", worst.alarms, low, "lower", baseline),
        _share(f"medium_alarm_{family}_worst", medium.ours["medium"].share, sure, "lower"),
    ]


def allowed(rate: float, rounds: int) -> float:
    """The rate, and three standard errors of its measurement."""
    return round(rate + 3 * sqrt(rate * (1 - rate) / rounds), 4)


def _share(
    name: str,
    value: float,
    goal: float | None,
    better: Literal["higher", "lower"],
    baseline: float | None = None,
) -> Figure:
    """A figure as a share of rounds, models or batches, from 0 to 1."""
    return Figure(name=name, value=round(value, 4), unit="share", baseline=baseline, goal=goal, better=better)


def detected(cells: Sequence[Cell], name: str, size: float, goal: float) -> Figure:
    """Of a shift of the mean: the least over the references from 500 rows."""
    those = [cell for cell in cells if (cell.kind, cell.size) == ("mean", size)]
    large = [cell for cell in those if cell.reference >= DETECTION_FROM]
    evidently = [cell.evidently_any.share for cell in large if cell.evidently_any]
    return _share(name, min(cell.alarms for cell in large), goal, "higher", min(evidently, default=None))


def by_size(cells: Sequence[Cell]) -> list[Figure]:
    """False alarms on normal data by the batch's rows, and the tiny shift that must not be high."""
    figures = []
    for current in CURRENTS:
        those = [cell for cell in cells if cell.kind == "none" and cell.current == current]
        worst = max(those, key=lambda cell: cell.alarms)
        figures.append(_share(f"false_alarm_n{current}", worst.alarms, allowed(LOW, worst.rounds), "lower"))
    tiny = max(cell.ours["high"].share for cell in cells if cell.size == TINY)
    return [*figures, _share("high_fiftieth_sd_n100000", tiny, 0.0, "lower")]


def models_that_alert(courses: Sequence[Models]) -> Figure:
    """The worst over references and batches."""
    worst = max(courses, key=lambda one: one.share)
    return _share("models_with_false_alert_100_batches", worst.share, allowed(ALERTS, worst.models), "lower")


@dataclass(frozen=True)
class Amount:
    """How much is drawn: rounds of a case (a tenth at 100,000 rows), of a shift, and models of each size."""

    rounds: int
    shift_rounds: int
    models: int
    baseline_rounds: int
    compared: int
    seed: int

    def of_family(self, family: str) -> Options:
        """Evidently's default stands beside normal data only."""
        rounds = self.rounds // (WIDE_ROUNDS if family == WIDE else 1)
        if family != NORMAL:
            return Options(rounds, 0, 0, self.seed)
        return Options(rounds, self.baseline_rounds, self.compared, self.seed)


def families_measured(families: Sequence[str], amount: Amount) -> tuple[list[Figure], list[Cell]]:
    """False alarms of each family; on normal data, the shifts as well."""
    figures, told = [], []
    for family in families:
        options = amount.of_family(family)
        cells = run(built_in(family), no_drift(), options, _tell)
        figures += false_alarms(family, cells)
        if family == NORMAL:
            moved = run(built_in(family), shifts(), replace(options, rounds=amount.shift_rounds), _tell)
            figures += [*by_size([*cells, *moved]), *(detected(moved, *goal) for goal in DETECTED)]
            cells += moved
        print_cells(cells, family, "2 of 3")
        told += cells
    return figures, told


def detections_measured(amount: Amount) -> Iterator[Figure]:
    """What must be seen, beside the shifts of normal data."""
    for detection in DETECTIONS:
        share = measured(detection, amount.shift_rounds, amount.seed)
        print(f"{detection.name} {share:.3f}", flush=True)
        yield _share(detection.name, share, detection.goal, "higher")


def models_measured(amount: Amount) -> Iterator[Models]:
    """Alerts of models that keep their reference, at every size."""
    for reference, batch in MODELS_OF if amount.models else ():
        found = play(built_in(NORMAL), Course(reference, batch), amount.models, Options(seed=amount.seed))
        print(f"alerts without drift: {found}", flush=True)
        yield found


def main(
    rounds: Annotated[int, typer.Option(help="Per case; a tenth at 100,000 rows.")] = 300,
    shift_rounds: Annotated[int, typer.Option(help="The same for the shifts.")] = 1_000,
    models: Annotated[int, typer.Option(help="For each size, with 100 batches each.")] = 60,
    baseline_rounds: Annotated[int, typer.Option(help="Of Evidently's default, on normal data.")] = 50,
    compared: Annotated[int, typer.Option(help="Rounds of each case with Evidently's whole preset.")] = 1,
    families: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join(FAMILIES),
    seed: int = 7,
) -> None:
    """Measure, print, and write `.iris/results/bench-backtest.json`."""
    began = time.perf_counter()
    amount = Amount(rounds, shift_rounds, models, baseline_rounds, compared, seed)
    figures, cells = families_measured(families.split(","), amount)
    figures += detections_measured(amount)
    courses = list(models_measured(amount))
    figures += [models_that_alert(courses)] if courses else []
    parameters = {
        **vars(amount),
        "families": families,
        "baseline": "any column drifts by Evidently's default preset (its own test functions)",
        "same_as_preset": f"{sum(c.same for c in cells)} of {sum(c.compared for c in cells)} rounds",
        "cells": [cell.model_dump(mode="json") for cell in cells],
        "courses": [one.model_dump() for one in courses],
    }
    write_figures(find_home(), "bench-backtest", figures, parameters)
    for figure in figures:
        print(f"{figure.name:<38} {figure.value:>7}  goal {figure.goal}  Evidently {figure.baseline}")
    print(f"seed {seed}, {time.perf_counter() - began:.0f} s")


def _tell(cell: Cell) -> None:
    size = f"reference {cell.reference:,}, {cell.current:,} rows"
    print(f"{cell.shift}, {size}: {100 * cell.alarms:.1f} %", flush=True)


if __name__ == "__main__":
    typer.run(main)
