"""Change of a column that was constant: the share of rows that have another value."""

from __future__ import annotations

import numpy as np

from iris_core.drift.change import Change
from iris_core.drift.ranks import Pooled
from iris_core.drift.share import share_difference


def changed_share(rows: Pooled, alpha: float) -> Change:
    """Share of rows that left the reference's only value; positive when most of them went up."""
    place = int(np.argmax(rows.reference))
    below, above = int(rows.current[:place].sum()), int(rows.current[place + 1 :].sum())
    change = share_difference(0, rows.m, below + above, rows.n, alpha)
    return change if above >= below else Change(-change.value, change.noise, change.chance)
