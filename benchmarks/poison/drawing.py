"""Drawing objects of all kinds from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

from benchmarks.poison import keys, packed, parquet, sizes, text, wellformed
from benchmarks.poison.grid import Grid

Make = Callable[[random.Random, Grid], bytes]


@dataclass(frozen=True)
class Drawn:
    """An object to upload; `name` is what its key ends in."""

    kind: str
    name: str
    data: bytes


def _kinds(module: ModuleType) -> dict[str, Make]:
    """The public functions that a module defines."""
    return {
        name: made
        for name, made in vars(module).items()
        if callable(made) and not name.startswith("_") and getattr(made, "__module__", "") == module.__name__
    }


KINDS: Mapping[str, Make] = {
    f"{module.__name__.rsplit('.', 1)[-1]}.{name}": made
    for module in (text, packed, parquet, sizes)
    for name, made in _kinds(module).items()
}
SOUND: Mapping[str, Make] = _kinds(wellformed)
ODD_KEYS: Mapping[str, Callable[[random.Random, str], str]] = {
    f"keys.{name}": made
    for name, made in vars(keys).items()
    if not name.startswith("_") and callable(made) and getattr(made, "__module__", "") == keys.__name__
}


def hostile(grid: Grid, chance: random.Random, number: int, has_key: bool = True) -> Drawn:
    """One object of a kind that comes next in the round of all kinds, with random parameters.

    :param grid: a sound table, which it is made from.
    :param number: of the object: the kinds take turns.
    :param has_key: whether its key may be odd; training data has one key only.
    """
    kinds = [*KINDS, *(ODD_KEYS if has_key else ())]
    kind = kinds[number % len(kinds)]
    name = f"hostile-{number:04d}{chance.choice(('.csv', '.csv', '.gz', '.parquet', '.txt', ''))}"
    if kind in ODD_KEYS:
        return Drawn(kind, ODD_KEYS[kind](chance, name), grid.bytes())
    return Drawn(kind, name, KINDS[kind](chance, grid))


def sound(grid: Grid, chance: random.Random, number: int) -> Drawn:
    """One object that every step must bring to its end."""
    kind = [*SOUND][number % len(SOUND)]
    return Drawn(kind, f"sound-{number:04d}.csv", SOUND[kind](chance, grid))
