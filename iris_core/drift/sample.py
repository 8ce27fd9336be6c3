"""A bounded, seeded, uniform sample of a table that comes in pieces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

_KEY = "__sample_key"


def bounded_sample(frames: Iterable[pl.DataFrame], rows: int, seed: int) -> pl.DataFrame:
    """At most `rows` rows, each equally likely, in their original order; holds one piece and the sample.

    Every row draws a random key and the smallest keys stay (Vitter 1985, "Random sampling with a
    reservoir", in its sorted form). The same pieces and seed give the same sample.
    """
    generator = np.random.default_rng(seed)
    kept: pl.DataFrame | None = None
    largest = 1.0
    for frame in frames:
        keys = pl.Series(_KEY, generator.random(frame.height))
        if kept is not None and kept.height == rows:
            # Most rows cannot enter any more: they are dropped before anything is copied.
            frame, keys = frame.filter(keys < largest), keys.filter(keys < largest)
        drawn = frame.with_columns(keys)
        merged = drawn if kept is None else pl.concat([kept, drawn])
        if merged.height > rows:
            merged = merged.filter(pl.col(_KEY).rank("ordinal") <= rows)
        kept, largest = merged, float(merged[_KEY].to_numpy().max(initial=0.0))
    return pl.DataFrame() if kept is None else kept.drop(_KEY)


def sampled_rows(total: int, rows: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The numbers of the rows that `bounded_sample` keeps of a table with `total` rows, from 0."""
    return bounded_sample([pl.DataFrame({"row": np.arange(total)})], rows, seed)["row"].to_numpy()
