"""As much of what is owed as one run takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item")

MOST = 500
"""Items of a portion. Airflow maps at most `[core] max_map_length` = 1,024 of them, and fails the task that
returned more; the same list would come back longer with the next run."""


class Portion(list[Item]):
    """What a run takes, in order; `left` of what is owed (objects, scorings) are for the next run."""

    def __init__(self, items: Iterable[Item], left: int) -> None:
        super().__init__(items)
        self.left = left
