"""`make bench-backtest`: the error rates that docs/drift.md states, beside Evidently's default.

Normal data, four features and a predicted class. Our side: the whole verdict, Evidently's pinned tests
included. The baseline: a column drifts by Evidently's default preset. Some rounds of every case are repeated
with the whole preset, to show that its test functions give the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from devstack.figures import Figure, write_figures
from devstack.home import find_home
from iris_core.cli.drift import print_cells
from iris_core.drift.backtest.populations import built_in
from iris_core.drift.backtest.rates import Case, Cell, Options, run
from iris_core.drift.backtest.shifts import NO_DRIFT, Shift

REFERENCES = (120, 500, 5_000)
CURRENTS = (30, 100, 300, 1_000, 100_000)
FALSE_ALARMS, HALF_SD, FIFTH_SD = 5.0, 95.0, 80.0
DETECTION_FROM = 500
OTHERS = (Shift("scale", 1.5), Shift("missing", 0.1), Shift("mix", 0.3), Shift("label", 0.3))


def cases() -> Iterator[Case]:
    """No drift at every size, the two shifts with a goal, the tiny one, and one of each other kind."""
    for current in CURRENTS:
        yield from (Case(NO_DRIFT, reference, current) for reference in REFERENCES)
    for size, current in ((0.5, 100), (0.2, 1_000), (0.02, 100_000)):
        yield from (Case(Shift("mean", size), reference, current) for reference in REFERENCES)
    for shift in OTHERS:
        yield from (Case(shift, 500, current) for current in (100, 1_000))


def false_alarm(cells: Sequence[Cell], current: int) -> Figure:
    """The worst over the references."""
    those = [cell for cell in cells if cell.kind == "none" and cell.current == current]
    return Figure(
        name=f"false_alarm_n{current}",
        value=max(percent(cell.alarms) for cell in those),
        unit="%",
        baseline=max(percent(cell.evidently_any.share) for cell in those if cell.evidently_any),
        goal=FALSE_ALARMS,
        better="lower",
    )


def detection(cells: Sequence[Cell], name: str, size: float, goal: float) -> Figure:
    """The worst over the references from 500 rows."""
    those = [cell for cell in cells if (cell.kind, cell.size) == ("mean", size)]
    large = [cell for cell in those if cell.reference >= DETECTION_FROM]
    return Figure(
        name=name,
        value=min(percent(cell.alarms) for cell in large),
        unit="%",
        baseline=min(percent(cell.evidently_any.share) for cell in large if cell.evidently_any),
        goal=goal,
        better="higher",
    )


def percent(share: float) -> float:
    """In percent, to a tenth."""
    return round(100 * share, 1)


def main(
    rounds: Annotated[int, typer.Option(help="Per case; a tenth at 100,000 rows.")] = 1_000,
    baseline_rounds: int = 200,
    compared: Annotated[int, typer.Option(help="Rounds of each case with Evidently's whole preset.")] = 2,
    seed: int = 7,
) -> None:
    """Measure, print, and write `.iris/results/bench-backtest.json`."""
    began = time.perf_counter()
    options = Options(rounds, baseline_rounds, compared, seed)
    cells = run(built_in("normal"), cases(), options, lambda cell: print(_told(cell), flush=True))
    print_cells(cells, "normal", f"{options.needed} of {options.window}")
    tiny = max(percent(cell.ours["high"].share) for cell in cells if cell.size == 0.02)
    figures = [
        *(false_alarm(cells, current) for current in CURRENTS),
        detection(cells, "detect_half_sd_n100", 0.5, HALF_SD),
        detection(cells, "detect_fifth_sd_n1000", 0.2, FIFTH_SD),
        Figure(name="high_fiftieth_sd_n100000", value=tiny, unit="%", goal=0.0, better="lower"),
    ]
    parameters = {
        **vars(options),
        "data": "normal",
        "baseline": "any column drifts by Evidently's default preset (its own test functions)",
        "same_as_preset": f"{sum(c.same for c in cells)} of {sum(c.compared for c in cells)} rounds",
        "cells": [cell.model_dump(mode="json") for cell in cells],
    }
    write_figures(find_home(), "bench-backtest", figures, parameters)
    for figure in figures:
        print(f"{figure.name:<26} {figure.value:>6} %  goal {figure.goal}  Evidently {figure.baseline}")
    print(f"{rounds} rounds, seed {seed}, {time.perf_counter() - began:.0f} s")


def _told(cell: Cell) -> str:
    return f"{cell.shift}, reference {cell.reference:,}, {cell.current:,} rows: {percent(cell.alarms)} %"


if __name__ == "__main__":
    typer.run(main)
