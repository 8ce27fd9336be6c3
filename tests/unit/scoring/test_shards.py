"""Shards of all that is owed, and no more of them than Airflow maps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.ledger import Identity, ModelRef, Variant
from iris_core.ledger.portion import MOST, Portion
from iris_core.scoring import shards
from iris_core.scoring.shards import MIB, PACK_BYTES, PACK_OBJECTS, Cut, cut
from iris_core.scoring.work import Piece, Shard, Work
from iris_core.store.objects import ObjectVersion

pytestmark = pytest.mark.unit

MODEL = ModelRef(name="m", version=1, run_id="0123456789abcdef")
LANDED = datetime(2026, 1, 1, tzinfo=UTC)
AIRFLOWS_LIMIT = 1024


def works(*sizes: int) -> list[Work]:
    """Owed objects of these sizes, as they landed."""
    return [
        Work(
            object=ObjectVersion(
                bucket="b",
                key=f"in/{number}",
                version_id=f"v{number}",
                etag="e",
                size=size,
                landed_at=LANDED + timedelta(seconds=number),
            ),
            identity=Identity("scoring", LANDED.date(), str(number), Variant("v1-01234567")),
            model=MODEL,
        )
        for number, size in enumerate(sizes)
    ]


@pytest.fixture(autouse=True)
def _not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A big object is cut by its size alone: where its rows end is another test's."""

    def pieces(work: Work, store: Any, least: int) -> list[Piece]:
        count = -(-work.object.size // least)
        return [
            Piece(object=work.object, identity=work.identity, index=index, count=count)
            for index in range(count)
        ]

    monkeypatch.setattr(shards, "pieces", pieces)


def cut_all(owed: list[Work], how: Cut) -> Portion[Shard]:
    return cut(owed, None, MODEL, how)  # type: ignore[arg-type]


def taken(portion: Portion[Shard]) -> list[str]:
    """Keys of the objects in the shards, each once."""
    return list(dict.fromkeys(piece.object.key for shard in portion for piece in shard.pieces))


def test_a_backlog_is_taken_oldest_first_a_portion_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """12,000 small objects would make 1,200 packs."""
    monkeypatch.setattr(shards, "PACK_OBJECTS", 10)
    owed = works(*[1] * 12_000)
    portions = []
    while owed:
        portion = cut_all(owed, Cut())
        assert taken(portion) == [work.object.key for work in owed[: len(owed) - portion.left]]
        portions.append(len(portion))
        owed = owed[len(owed) - portion.left :]
    assert portions == [500, 500, 200]
    assert MOST < AIRFLOWS_LIMIT


def test_big_objects_are_taken_whole_or_not_at_all() -> None:
    """Each is two hundred shards; a third that does not fit keeps what landed after it waiting, in order."""
    big = 300 * 256 * MIB
    portion = cut_all(works(1, big, big, big, 1), Cut(most=500))
    assert taken(portion) == ["in/0", "in/1", "in/2"]
    assert (len(portion), portion.left) == (401, 2)


def test_one_object_makes_no_more_shards_than_are_allowed() -> None:
    portion = cut_all(works(10_000 * MIB), Cut(shard_mb=1, most=7))
    assert (len(portion), portion.left) == (7, 0)


@pytest.mark.parametrize("most", [1, 2, 500])
def test_what_cannot_be_cut_is_packed_alone(most: int) -> None:
    sizes = [PACK_BYTES + 1] * 3
    portion = cut_all(works(*sizes), Cut(is_splittable=False, most=most))
    assert [len(shard.pieces) for shard in portion] == [1] * min(most, 3)
    assert portion.left == max(0, 3 - most)


@given(
    st.lists(st.sampled_from([0, 1, MIB, 40 * MIB, 70 * MIB, 300 * MIB, 5_000 * MIB]), max_size=60),
    st.integers(1, 30),
    st.booleans(),
)
def test_any_backlog(sizes: list[int], most: int, splittable: bool) -> None:
    owed = works(*sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "PACK_OBJECTS", 5)
        portion = cut_all(owed, Cut(splittable, 64, most))
    assert len(portion) <= most
    number = len(owed) - portion.left
    assert set(taken(portion)) == {work.object.key for work in owed[:number]}
    assert number or not owed, "a portion takes something, or nothing would ever be"
    for shard in portion:
        if len(shard.pieces) > 1:
            assert sum(piece.object.size for piece in shard.pieces) <= PACK_BYTES
            assert len(shard.pieces) <= 5


def test_packs_are_full() -> None:
    portion = cut_all(works(*[1] * (PACK_OBJECTS + 1)), Cut())
    assert [len(shard.pieces) for shard in portion] == [PACK_OBJECTS, 1]
    halves = cut_all(works(PACK_BYTES // 2, PACK_BYTES // 2, 1), Cut())
    assert [len(shard.pieces) for shard in halves] == [2, 1]
