"""The ways of one shard and of one training table through the core stay short.

A step of a way is the first call of a function from another module, in whichever thread. It is counted as a
reader follows it: from module to module within the room, and to the door of any other room. Left out are
`errors`, `settings` and `store`, properties, and what a module keeps to itself.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import cache, cached_property
from inspect import CO_GENERATOR, getattr_static
from itertools import groupby
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NamedTuple

import pytest

import iris_core
from iris_core import promotion, scoring, training
from iris_core.ledger.workspace import Workspace

pytestmark = pytest.mark.integration

CORE = Path(iris_core.__file__).parent
LEFT_OUT = ("errors", "settings", "store")


class Step(NamedTuple):
    module: str
    function: str
    caller: str


class Way:
    """The steps of what runs in the block, through one room."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.steps: dict[tuple[str, str], Step] = {}
        self._begun: dict[int, FrameType] = {}

    def __enter__(self) -> Way:
        threading.setprofile(self._called)
        sys.setprofile(self._called)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call" or not (module := _module(frame)) or id(frame) in self._begun:
            return
        if frame.f_code.co_flags & CO_GENERATOR:
            self._begun[id(frame)] = frame
        caller = frame.f_back
        while caller is not None and not _module(caller):
            caller = caller.f_back
        called_from = _module(caller) if caller else ""
        function = frame.f_code.co_qualname
        if module != called_from and self._is_followed(module, called_from) and _is_step(frame, function):
            self.steps.setdefault((module, function), Step(module, function, called_from))

    def _is_followed(self, module: str, caller: str) -> bool:
        return self.room in (_room(module), _room(caller)) and _room(module) not in LEFT_OUT

    @property
    def modules(self) -> set[str]:
        return {step.module for step in self.steps.values()}

    @property
    def returns(self) -> int:
        """Steps into a module that the way has left before."""
        return len([*groupby(self.steps.values(), lambda step: step.module)]) - len(self.modules)

    @property
    def climbs(self) -> list[Step]:
        """Steps from another room back into this one."""
        return [step for step in self.steps.values() if step.caller and _room(step.caller) != self.room]

    def __str__(self) -> str:
        return "\n".join(f"{step.module}.{step.function}" for step in self.steps.values())


def _module(frame: FrameType) -> str:
    """The module of a frame, without `iris_core`; empty outside the core."""
    return _module_of(frame.f_code.co_filename)


@cache
def _module_of(file: str) -> str:
    path = Path(file)
    return ".".join(path.relative_to(CORE).with_suffix("").parts) if path.is_relative_to(CORE) else ""


def _room(module: str) -> str:
    return module.partition(".")[0]


def _is_step(frame: FrameType, function: str) -> bool:
    last = function.rpartition(".")[2]
    if last.startswith(("_", "<")) and last != "__init__":
        return False
    found: Any = sys.modules[frame.f_globals["__name__"]]
    for part in function.split("."):
        found = getattr_static(found, part, None)
    return not isinstance(found, property | cached_property)


@pytest.fixture
def landed(tracked: Workspace, train_csv: bytes, test_csv: bytes) -> Workspace:
    settings = tracked.settings
    for key, data in ((settings.train_key, train_csv), (settings.test_key, test_csv)):
        tracked.store.put(settings.bucket, key, data, "text/csv")
    return tracked


def test_the_ways_of_a_training_table_and_of_a_shard(landed: Workspace) -> None:
    work = training.validate(landed, training.reconcile_training(landed))
    with Way("training") as trained:
        training.train(landed, work)
    promotion.register_step(landed, work.identity)
    [shard] = scoring.plan_shards(landed)
    with Way("scoring") as scored:
        scoring.publish_all(landed, scoring.score_shard(landed, shard))
    short(trained, modules=8, functions=12, returns=4, climbs=0)
    short(scored, modules=12, functions=27, returns=10, climbs=1)


def short(way: Way, modules: int, functions: int, returns: int, climbs: int) -> None:
    """A way is no longer than it was when this was written; it is at least as long as a way can be."""
    found = (len(way.modules), len(way.steps), way.returns, len(way.climbs))
    assert found > (4, 8, 0, -1), "calls were not seen"
    over = [one > most for one, most in zip(found, (modules, functions, returns, climbs), strict=True)]
    assert not any(over), f"{found} modules, functions, returns, climbs:\n{way}"


def test_what_counts_as_a_step() -> None:
    def steps(run: Callable[[], object]) -> list[str]:
        with Way("scoring") as way:
            run()
        return str(way).splitlines()

    assert steps(lambda: scoring.work.Scored) == []
    assert steps(lambda: sum([scoring.counts.Counts()] * 2, scoring.counts.Counts()).quality) == []
    assert steps(lambda: scoring.output.csv_line(["a"])) == ["scoring.output.csv_line"]
