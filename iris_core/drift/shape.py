"""Largest distance between the two samples' distribution functions."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from scipy import special

from iris_core.drift.change import Change
from iris_core.drift.ranks import Pooled


def distribution_distance(rows: Pooled, alpha: float) -> Change:
    """Kolmogorov-Smirnov's D, positive where the batch has more of the lower values.

    Its probability by the limiting distribution (Smirnov, Annals of Mathematical Statistics 19, 1948), which
    is an upper bound at these sizes and, with ties, all the more.
    """
    apart = np.cumsum(rows.current) / rows.n - np.cumsum(rows.reference) / rows.m
    value = float(apart[np.argmax(np.abs(apart))])
    effective = rows.m * rows.n / (rows.m + rows.n)
    chance = float(special.kolmogorov(sqrt(effective) * abs(value)))
    return Change(value, sqrt(-log(alpha / 2) / 2 / effective), chance)
