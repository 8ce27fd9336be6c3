"""Injects drift into a batch of a backtest: one kind, of a given size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from iris_core.drift.backtest.populations import CLASS, Population

Kind = Literal["none", "mean", "scale", "missing", "mix", "label"]


@dataclass(frozen=True)
class Shift:
    """`size` by kind: standard deviations (mean), times wider (scale), a share of the rows (the others).

    mean, scale and missing change one feature, in turn; mix swaps predictions for the first class and
    leaves the features; label replaces rows by rows of the first class, features and all.
    """

    kind: Kind
    size: float = 0.0

    def __str__(self) -> str:
        return _TOLD[self.kind](self.size)


NO_DRIFT = Shift("none")
STANDARD = (
    Shift("mean", 0.5),
    Shift("mean", 0.2),
    Shift("mean", 0.02),
    Shift("scale", 1.5),
    Shift("missing", 0.1),
    Shift("mix", 0.3),
    Shift("label", 0.3),
)

_TOLD: dict[Kind, Callable[[float], str]] = {
    "none": lambda _: "no drift",
    "mean": lambda size: f"mean + {size:g} sd",
    "scale": lambda size: f"scale × {size:g}",
    "missing": lambda size: f"{size:.0%} missing",
    "mix": lambda size: f"{size:.0%} of predictions swapped",
    "label": lambda size: f"{size:.0%} of rows of one class",
}


def shifted(
    frame: pl.DataFrame, shift: Shift, population: Population, turn: int, rng: np.random.Generator
) -> pl.DataFrame:
    """The batch with the drift; `turn` chooses the feature."""
    feature = population.features[turn % len(population.features)]
    if shift.kind in ("mean", "scale"):
        mean, std = population.centres[feature]
        moved = pl.col(feature) + shift.size * std
        wider = mean + (pl.col(feature) - mean) * shift.size
        return frame.with_columns((moved if shift.kind == "mean" else wider).alias(feature))
    if shift.kind == "none":
        return frame
    chosen = pl.Series(rng.random(frame.height) < shift.size)
    if shift.kind == "missing":
        return frame.with_columns(pl.when(~chosen).then(pl.col(feature)).alias(feature))
    if shift.kind == "mix":
        return frame.with_columns(
            pl.when(chosen).then(pl.lit(population.classes[0])).otherwise(pl.col(CLASS)).alias(CLASS)
        )
    return _relabelled(frame, chosen, population, rng)


def _relabelled(
    frame: pl.DataFrame, chosen: pl.Series, population: Population, rng: np.random.Generator
) -> pl.DataFrame:
    wanted, found = int(chosen.sum()), population.table(rng, 0)
    while found.height < wanted:
        drawn = population.table(rng, max(100, 4 * wanted))
        found = pl.concat([found, drawn.filter(pl.col(CLASS) == population.classes[0])])
    return pl.concat([frame.filter(~chosen), found.head(wanted)])
