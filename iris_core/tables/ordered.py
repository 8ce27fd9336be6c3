"""Works on several items at once, and returns the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered(
    items: Iterable[Item], work: Callable[[Item], Result], workers: int
) -> Iterator[tuple[Item, Result]]:
    """Each item with the result of `work`, in the items' order.

    :param items: the items.
    :param work: called with each item, in a thread.
    :param workers: the number of threads; at most `workers` + 1 items are under way or wait to be consumed.
    """
    under_way: deque[tuple[Item, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="iris-score")
    try:
        for item in items:
            under_way.append((item, pool.submit(work, item)))
            if len(under_way) > workers:
                done, future = under_way.popleft()
                yield done, future.result()
        while under_way:
            done, future = under_way.popleft()
            yield done, future.result()
    finally:
        # Without waiting, for the reason that `inputs.ranges` gives.
        pool.shutdown(wait=False, cancel_futures=True)
