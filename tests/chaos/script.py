"""What will happen, from a seed: uploads of every sort, and faults in between."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from devstack.iris_tables import split_iris
from iris_core.settings.project import TableSchema

Purpose = Literal["train", "test"]
FaultKind = Literal["kill", "stop", "kill_task", "pause"]
BURST = 100
COMPONENTS = ("triggerer", "scheduler", "api-server", "mlflow", "store", "dag-processor")
OUTAGES = ("mlflow", "store", "api-server")


@dataclass(frozen=True)
class Upload:
    """One object to put, or to delete when there are no bytes; `pause_s` seconds after the one before."""

    purpose: Purpose
    data: bytes | None
    pause_s: float


@dataclass(frozen=True)
class Fault:
    """One thing to break, for `lasts_s` seconds, `pause_s` seconds after the one before was mended."""

    kind: FaultKind
    target: str
    lasts_s: float
    pause_s: float


def uploads(schema: TableSchema, seed: int, count: int) -> Iterator[Upload]:
    """`count` uploads: new, repeated, overwritten at once, deleted, bad, and in bursts of 100 in a second.

    The last two are new tables, so that both keys end with something to do.
    """
    chance = random.Random(f"uploads-{seed}")
    last: dict[Purpose, bytes] = {}
    for sort, size in _groups(chance, count - 2):
        purpose: Purpose = chance.choice(("train", "test", "test"))
        for number in range(size):
            data = _data(schema, chance, sort, last.get(purpose), purpose)
            yield Upload(purpose, data, chance.uniform(0.2, 4.0) if number == 0 else 1.0 / BURST)
            if data is not None:
                last[purpose] = data
    for purpose in ("train", "test"):
        yield Upload(purpose, _table(schema, chance, purpose), 1.0)


def _groups(chance: random.Random, count: int) -> list[tuple[str, int]]:
    """Sorts of uploads with their sizes, `count` in all: one burst in two hundred, the rest one by one."""
    groups = [("burst", BURST)] * ((count + 2) // (2 * BURST))
    left = count - BURST * len(groups)
    while left > 0:
        sort = chance.choices(("new", "repeat", "overwrite", "delete", "bad"), (45, 15, 25, 8, 7))[0]
        size = min(left, 2 if sort == "overwrite" else 1)
        groups.append((sort, size))
        left -= size
    chance.shuffle(groups)
    return groups


def _data(
    schema: TableSchema, chance: random.Random, sort: str, last: bytes | None, purpose: Purpose
) -> bytes | None:
    if sort == "repeat" and last is not None:
        return last
    if sort == "delete" and last is not None:
        return None
    table = _table(schema, chance, purpose)
    return table.replace(b"\n", b"\nabc,", 1) if sort == "bad" else table


def _table(schema: TableSchema, chance: random.Random, purpose: Purpose) -> bytes:
    training, inference = split_iris(schema, chance.randrange(2**32))
    return training.csv() if purpose == "train" else inference.csv()


def faults(dags: list[str], seed: int, count: int, outage_s: float = 0.0) -> list[Fault]:
    """`count` faults: components and tasks killed, components stopped for a while, DAGs paused.

    With `outage_s`, three more between them: MLflow, the store and the api-server each away that long.
    """
    chance = random.Random(f"faults-{seed}")
    planned = [_fault(dags, chance) for _ in range(count)]
    away = random.Random(f"outages-{seed}")
    for target in away.sample(OUTAGES, len(OUTAGES)) if outage_s else ():
        planned.insert(away.randint(0, len(planned)), Fault("kill", target, outage_s, 1.0))
    return planned


def _fault(dags: list[str], chance: random.Random) -> Fault:
    kind: FaultKind = chance.choices(("kill", "stop", "kill_task", "pause"), (40, 15, 35, 10))[0]
    target = chance.choice(dags if kind == "pause" else COMPONENTS)
    return Fault(kind, target, chance.uniform(0.5, 8.0), chance.uniform(0.5, 6.0))
