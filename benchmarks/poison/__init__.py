"""Hostile and sound objects, drawn from a seed: what people and their tools upload by mistake, or on purpose.

A kind is a function with random parameters, so that other seeds give other objects of the same kinds.
"""

from __future__ import annotations

from benchmarks.poison.drawing import KINDS, Drawn, hostile, sound
from benchmarks.poison.grid import Grid, answers, flowers

MARKER = "keys.marker"
"""The kind of what is no data: it is passed over, and nothing is recorded about it."""

__all__ = ["KINDS", "MARKER", "Drawn", "Grid", "answers", "flowers", "hostile", "sound"]
