"""What will happen, from a seed: uploads of every sort, hostile objects among them, and faults in between."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.poison import Grid, answers, hostile
from devstack.iris_tables import split_iris
from iris_core.settings.project import TableSchema
from iris_core.store.uploads import Purpose

FaultKind = Literal["kill", "stop", "kill_task", "pause"]
NAME = "chaos.csv"
KINDS = 1000
"""More than there are kinds of hostile objects, which take turns by number."""
BURST = 100
COMPONENTS = ("triggerer", "scheduler", "api-server", "mlflow", "store", "dag-processor")
OUTAGES = ("mlflow", "store", "api-server")


@dataclass(frozen=True)
class Upload:
    """One object to put, or to delete when there are no bytes; `pause_s` seconds after the one before.

    `name` is what its key ends in below a prefix. Every step must use a sound one; `hostile` is the kind of
    a hostile one.
    """

    purpose: Purpose
    data: bytes | None
    pause_s: float
    is_sound: bool = False
    name: str = NAME
    hostile: str = ""


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
    last: dict[Purpose, Upload] = {}
    for sort, size in _groups(chance, count - 2):
        purpose: Purpose = chance.choice(("train", "test", "test"))
        for number in range(size):
            data, is_sound = _data(schema, chance, sort, last.get(purpose), purpose)
            pause_s = chance.uniform(0.2, 4.0) if number == 0 else 1.0 / BURST
            upload = Upload(purpose, data, pause_s, is_sound)
            yield upload
            if data is not None:
                last[purpose] = upload
    for purpose in ("train", "test"):
        yield Upload(purpose, _grid(schema, chance, purpose).bytes(), 1.0, is_sound=True)


def poisoned(schema: TableSchema, seed: int, uploads: Sequence[Upload], count: int) -> list[Upload]:
    """`count` hostile objects at random places among uploads, and sound labels of a sound table at the end.

    Half of the hostile inference data comes in the place of sound data, the rest beside it.
    """
    chance = random.Random(f"poison-{seed}")
    found = list(uploads)
    for turn, number in enumerate(chance.sample(range(max(KINDS, count)), count)):
        purpose: Purpose = ("train", "test", "labels", "test")[turn % 4]
        grid = _grid(schema, chance, "train" if purpose == "train" else "test", with_ids=True)
        drawn = hostile(answers(grid) if purpose == "labels" else grid, chance, number, purpose != "train")
        is_beside = purpose == "labels" or drawn.kind.startswith("keys.") or chance.random() < 0.5
        name = drawn.name if is_beside else NAME
        poison = Upload(purpose, drawn.data, chance.uniform(0.2, 1.0), name=name, hostile=drawn.kind)
        found.insert(chance.randint(0, len(found)), poison)
    if count:
        scored = _grid(schema, chance, "test")
        found.append(Upload("test", scored.bytes(), 1.0, is_sound=True))
        found.append(Upload("labels", answers(scored).bytes(), 1.0, is_sound=True, name="labels.csv"))
    return found


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
    schema: TableSchema, chance: random.Random, sort: str, last: Upload | None, purpose: Purpose
) -> tuple[bytes | None, bool]:
    """What to put, and whether it is sound."""
    if sort == "repeat" and last is not None:
        return last.data, last.is_sound
    if sort == "delete" and last is not None:
        return None, False
    table = _grid(schema, chance, purpose).bytes()
    return (table.replace(b"\n", b"\nabc,", 1), False) if sort == "bad" else (table, True)


def _grid(schema: TableSchema, chance: random.Random, purpose: Purpose, with_ids: bool = False) -> Grid:
    """A sound table; inference data always has ids, by which labels are joined."""
    seed = chance.randrange(2**32)
    training, inference = split_iris(schema, seed)
    table = training if purpose == "train" else inference
    grid = Grid(
        table.columns,
        tuple((*map(str, row), label) for row, label in zip(table.rows, table.labels, strict=True)),
        schema.feature_names,
        schema.target,
        schema.key,
    )
    return (
        grid.with_column(schema.key, lambda row: f"{seed}-{row}") if with_ids or purpose == "test" else grid
    )


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
