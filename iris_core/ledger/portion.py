"""The portion of owed work that one run takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")

MOST = 500
"""Most items of a portion. Airflow maps at most `[core] max_map_length` = 1,024 items and fails a task that
returns more; in the next run the list would only be longer."""


class Portion(list[Item]):
    """The items that a run takes, in order.

    `left` counts owed objects or scorings left for the next run, `names` has their addresses or paths.
    """

    def __init__(self, items: Iterable[Item], left: int, names: Sequence[str] = ()) -> None:
        super().__init__(items)
        self.left = left
        self.names = names
