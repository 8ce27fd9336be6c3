"""Backtest of the drift verdict: how often it alarms without drift, and how often it sees a shift.

    python benchmarks/drift_backtest.py --rounds 1000 --seed 7 --data normal

Every round draws a new reference and a new batch: from a distribution, or with replacement from the real
Iris. An alarm is a report whose severity is low or worse.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from iris_core.drift import evidently_report, judge, of_frame

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
REFERENCES = (120, 500, 5_000)
CURRENTS = (30, 100, 300, 1_000, 100_000)
SHIFTS = ((0.5, 100, 95.0), (0.2, 1_000, 80.0), (0.02, 100_000, None))
"""Shift in standard deviations, current rows, goal in percent."""

Rows = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Rows]


def _iris(rng: np.random.Generator, n: int) -> Rows:
    return _IRIS[rng.integers(0, len(_IRIS), n)]


def _load_iris() -> Rows:
    from sklearn.datasets import load_iris

    return np.asarray(load_iris().data, dtype=np.float64)


_IRIS = _load_iris()
DRAWS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.standard_normal((n, 4)),
    "iris": _iris,
    "gamma": lambda rng, n: rng.gamma(2.0, 1.0, (n, 4)),
    "lognormal": lambda rng, n: rng.lognormal(0.0, 1.0, (n, 4)),
    "student5": lambda rng, n: rng.standard_t(5, (n, 4)),
    "rare": lambda rng, n: (rng.random((n, 4)) < 0.02).astype(np.float64),
}


def severity(reference: Rows, current: Rows, with_evidently: bool) -> str:
    """The report's severity; whether petal_length is above the median serves as a predicted class."""
    import polars as pl

    old, new = (pl.DataFrame(rows, schema=list(FEATURES)) for rows in (reference, current))
    report = None
    if with_evidently:
        middle = float(np.median(reference[:, 2]))
        old, new = (
            f.with_columns(prediction=(pl.col("petal_length") > middle).cast(pl.String)) for f in (old, new)
        )
        report = evidently_report(old, new, FEATURES)
    return judge(of_frame(old, FEATURES), of_frame(new, FEATURES), evidently=report).severity


def levels(
    draw: Draw, reference: int, current: int, shift: float, rounds: int, seed: int, with_evidently: bool
) -> Counter[str]:
    """Severities of `rounds` reports; `shift` standard deviations are added to one feature, in turn."""
    rng = np.random.default_rng([seed, reference, current])
    spread = draw(rng, 200_000).std(axis=0)
    seen: Counter[str] = Counter()
    for turn in range(rounds):
        old, new = draw(rng, reference), draw(rng, current)
        new[:, turn % 4] += shift * spread[turn % 4]
        seen[severity(old, new, with_evidently)] += 1
    return seen


def _share(seen: Counter[str], *names: str) -> float:
    return 100 * sum(seen[name] for name in names) / seen.total()


def main(
    rounds: Annotated[int, typer.Option(help="Reports per cell; a tenth at 100,000 rows.")] = 1_000,
    seed: int = 7,
    data: Annotated[str, typer.Option(help=", ".join(DRAWS))] = "normal",
    evidently: Annotated[bool, typer.Option(help="Run Evidently's tests too: slow.")] = False,
) -> None:
    """Print false-alarm and detection rates."""
    started, draw = time.perf_counter(), DRAWS[data]

    def run(reference: int, current: int, shift: float) -> Counter[str]:
        count = max(20, rounds // 10) if current >= 100_000 else rounds
        return levels(draw, reference, current, shift, count, seed, evidently)

    table = Table(
        "case", "goal", *(f"reference {size:,}" for size in REFERENCES), title=f"{data}, % of reports"
    )
    for current in CURRENTS:
        cells = (_share(run(size, current, 0.0), "low", "medium", "high") for size in REFERENCES)
        table.add_row(f"no drift, {current:,} rows", "<= 5", *(f"{cell:.1f}" for cell in cells))
    table.add_section()
    for shift, current, goal in SHIFTS:
        results = [run(size, current, shift) for size in REFERENCES]
        if goal is None:
            cells_text = [
                f"{_share(seen, 'low'):.1f} low, {_share(seen, 'medium', 'high'):.1f} more"
                for seen in results
            ]
        else:
            cells_text = [f"{_share(seen, 'low', 'medium', 'high'):.1f}" for seen in results]
        name = f"{shift} sd in one feature, {current:,} rows"
        table.add_row(name, "none or low" if goal is None else f">= {goal:.0f} (from 500)", *cells_text)
    console = Console(width=120)
    console.print(table)
    console.print(f"{rounds} rounds, seed {seed}, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    typer.run(main)
