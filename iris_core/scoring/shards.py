"""Cutting what is owed into shards: small objects together, a big one into ranges of whole rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from iris_core.errors import DataRejected
from iris_core.ledger import ModelRef
from iris_core.scoring.work import Piece, Shard, Work
from iris_core.store.objects import ObjectStore
from iris_core.tables import Input, Range, StoredInput
from iris_core.tables.blocks import blocks
from iris_core.tables.formats import GZIP, PARQUET
from iris_core.tables.header import read_header
from iris_core.tables.inputs import ranges
from iris_core.tables.records import count_rows

MIB = 1 << 20
READ_BYTES = 8 << 20
MOST_SHARDS = 200
"""Of one object: Airflow maps up to 1024 tasks."""
PACK_BYTES = 64 << 20
PACK_OBJECTS = 250


def cut(
    works: Sequence[Work],
    store: ObjectStore,
    model: ModelRef,
    is_splittable: bool = True,
    shard_mb: int = 256,
) -> list[Shard]:
    """Shards of all that is owed, in its order.

    :param is_splittable: whether parts of the output can be put together (CSV, not Parquet).
    :param shard_mb: an object of more MiB is cut into shards of about that size.
    """
    shard_bytes = shard_mb * MIB
    packs: list[list[Piece]] = [[]]
    shards: list[Shard] = []
    for work in works:
        if is_splittable and work.object.size > shard_bytes:
            shards += [Shard(model=model, pieces=(piece,)) for piece in pieces(work, store, shard_bytes)]
            continue
        size = sum(piece.object.size for piece in packs[-1])
        if packs[-1] and (size + work.object.size > PACK_BYTES or len(packs[-1]) >= PACK_OBJECTS):
            packs.append([])
        packs[-1].append(Piece(object=work.object, identity=work.identity))
    return [Shard(model=model, pieces=tuple(pack)) for pack in packs if pack] + shards


def pieces(work: Work, store: ObjectStore, shard_bytes: int) -> list[Piece]:
    """A big object's pieces; one, where it cannot be cut (gzip, Parquet, a quote that is not closed)."""
    least = max(shard_bytes, work.object.size // MOST_SHARDS)
    found = cuts(StoredInput(store, work.object), least, min(max(least // 8, 1), READ_BYTES))
    if not found:
        return [Piece(object=work.object, identity=work.identity)]
    return [
        Piece(object=work.object, identity=work.identity, index=index, count=len(found), range=part)
        for index, part in enumerate(found)
    ]


def cuts(given: Input, least: int, step: int = READ_BYTES) -> list[Range]:
    """Ranges of a plain CSV that hold whole rows each, or none where that cannot be known.

    The file is read once, because only that tells which newlines are inside quotes, and how many rows
    come before a range.

    :param least: bytes of a range, but for the last.
    :param step: bytes that are read at once; ranges end where such a step ends.
    """
    if given.read(0, min(len(PARQUET), given.size)).startswith((GZIP, PARQUET)):
        return []
    whole = blocks(ranges(given, 0, given.size), step)
    first = next(whole, b"")
    try:
        head = read_header(first, given.where)
    except DataRejected:
        return []
    found: list[Range] = []
    start = end = head.end
    row = first_row = head.first_row
    for data in chain([first[head.end :]], whole):
        if data and (data.count(b'"') % 2 or not data.endswith(b"\n")):
            return []
        end = min(end + len(data), given.size)
        row += count_rows(data)
        if end - start >= least:
            found.append(Range(head.end, start, end, first_row))
            start, first_row = end, row
    if start < given.size or not found:
        found.append(Range(head.end, start, given.size, first_row))
    return found
