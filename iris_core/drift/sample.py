"""A bounded, seeded, uniform sample of a table that comes in pieces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl


def bounded_sample(frames: Iterable[pl.DataFrame], rows: int, seed: int) -> pl.DataFrame:
    """At most `rows` rows, each equally likely, in their original order; holds one piece and the sample.

    Every row draws a random key and the smallest keys stay (Vitter 1985, "Random sampling with a
    reservoir", in its sorted form). The same pieces and seed give the same sample.
    """
    generator = np.random.default_rng(seed)
    kept, keys = pl.DataFrame(), pl.Series(dtype=pl.Float64)
    largest = 1.0
    for frame in frames:
        drawn = pl.Series(generator.random(frame.height))
        if kept.height == rows:
            # Most rows cannot enter any more: they are dropped before anything is copied.
            frame, drawn = frame.filter(drawn < largest), drawn.filter(drawn < largest)
        kept, keys = pl.concat([kept, frame]) if kept.width else frame, pl.concat([keys, drawn])
        if kept.height > rows:
            is_kept = keys.rank("ordinal") <= rows
            kept, keys = kept.filter(is_kept), keys.filter(is_kept)
        largest = float(keys.to_numpy().max(initial=0.0))
    return kept


def sampled_rows(total: int, rows: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The numbers of the rows that `bounded_sample` keeps of a table with `total` rows, from 0."""
    return bounded_sample([pl.DataFrame({"row": np.arange(total)})], rows, seed)["row"].to_numpy()
