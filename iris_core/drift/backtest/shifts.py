"""Injects drift into a batch of a backtest: one kind, of a given size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from iris_core.drift.backtest.populations import CLASS, Population, Rows

Kind = Literal["none", "mean", "scale", "missing", "level", "mix", "label"]


@dataclass(frozen=True)
class Shift:
    """`size` by kind: standard deviations (mean), times wider (scale), a share of the rows (the others).

    mean, scale, missing and level change one feature, `feature` or each in turn: mean and scale one of
    numbers; level a category, of which one level gets more of the rows. mix swaps predictions for the first
    class and leaves the features; label replaces rows by rows of the first class, features and all.
    """

    kind: Kind
    size: float = 0.0
    feature: str = ""

    def __str__(self) -> str:
        return _TOLD[self.kind](self.size)


NO_DRIFT = Shift("none")
STANDARD = (
    Shift("mean", 0.5),
    Shift("mean", 0.2),
    Shift("mean", 0.02),
    Shift("scale", 1.5),
    Shift("missing", 0.1),
    Shift("level", 0.15),
    Shift("mix", 0.3),
    Shift("label", 0.3),
)

_TOLD: dict[Kind, Callable[[float], str]] = {
    "none": lambda _: "no drift",
    "mean": lambda size: f"mean + {size:g} sd",
    "scale": lambda size: f"scale × {size:g}",
    "missing": lambda size: f"{size:.0%} missing",
    "level": lambda size: f"a level + {size * 100:g} points",
    "mix": lambda size: f"{size:.0%} of predictions swapped",
    "label": lambda size: f"{size:.0%} of rows of one class",
}


def shifted(
    frame: pl.DataFrame, shift: Shift, population: Population, turn: int, rng: np.random.Generator
) -> pl.DataFrame:
    """The batch with the drift; `turn` chooses the feature."""
    if shift.kind == "none":
        return frame
    those = shiftable(population, shift.kind)
    feature = shift.feature or those[turn % len(those)]
    if shift.kind in ("mean", "scale"):
        mean, std = population.centres[feature]
        moved = pl.col(feature) + shift.size * std
        wider = mean + (pl.col(feature) - mean) * shift.size
        return frame.with_columns((moved if shift.kind == "mean" else wider).alias(feature))
    if shift.kind == "level":
        return _with_more(frame, feature, shift.size, population.shares[feature], rng)
    chosen = pl.Series(rng.random(frame.height) < shift.size)
    if shift.kind == "missing":
        return frame.with_columns(pl.when(~chosen).then(pl.col(feature)).alias(feature))
    if shift.kind == "mix":
        return frame.with_columns(
            pl.when(chosen).then(pl.lit(population.classes[0])).otherwise(pl.col(CLASS)).alias(CLASS)
        )
    return _relabelled(frame, chosen, population, rng)


def shiftable(population: Population, kind: Kind) -> tuple[str, ...]:
    """The features that a kind of shift can change."""
    of_kind = {"mean": population.numbers, "scale": population.numbers, "level": population.categories}
    return of_kind.get(kind, population.features)


def _with_more(
    frame: pl.DataFrame, feature: str, size: float, shares: Rows, rng: np.random.Generator
) -> pl.DataFrame:
    """The most frequent level that has room for it gets so many more of the rows that have a value, from all
    others alike."""
    room = np.where(shares + size <= 1, shares, -1.0)
    code = int(np.argmax(room))
    drawn = pl.Series(rng.random(frame.height) < size / (1 - shares[code]))
    return frame.with_columns(
        pl.when(drawn & pl.col(feature).is_not_nan()).then(float(code)).otherwise(feature).alias(feature)
    )


def _relabelled(
    frame: pl.DataFrame, chosen: pl.Series, population: Population, rng: np.random.Generator
) -> pl.DataFrame:
    wanted, found = int(chosen.sum()), population.table(rng, 0)
    while found.height < wanted:
        drawn = population.table(rng, max(100, 4 * wanted))
        found = pl.concat([found, drawn.filter(pl.col(CLASS) == population.classes[0])])
    return pl.concat([frame.filter(~chosen), found.head(wanted)])
