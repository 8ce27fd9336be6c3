"""Finds the rows of a shard. The shards of an object do this together, and none waits for another.

Which rows lie in a stretch of a CSV depends on all bytes before it. Each shard outlines its own stretch and
keeps the outline for those after it. An outline that it needs and does not find, it makes itself.
"""

from __future__ import annotations

from pydantic import TypeAdapter

from iris_core.errors import ObjectMissing
from iris_core.store.assembly import Assembly
from iris_core.tables import Input, Range
from iris_core.tables.cutting import Cutting
from iris_core.tables.outline import Outline, outline

OUTLINES = TypeAdapter(Outline)


def stretch_rows(given: Input, cutting: Cutting, index: int, predictions: Assembly) -> Range:
    """The rows of one stretch of a file.

    :param given: the file's bytes.
    :param cutting: how the file is cut.
    :param index: the stretch, counted from 0.
    :param predictions: outlines are kept beside its parts.
    """
    is_last = index == cutting.count - 1
    # Its own first: shards that start at the same time then find those of the others.
    own = Outline() if is_last else _outline(given, cutting.stretch(index), predictions)
    before = Outline()
    for earlier in range(index):
        before += _outline(given, cutting.stretch(earlier), predictions)
    return cutting.rows(before, own, is_last)


def _outline(given: Input, stretch: tuple[int, int], kept: Assembly) -> Outline:
    """The outline of a stretch: the kept one, or made and kept."""
    start, end = stretch
    key = f"{kept.folder}/{start}-{end}.outline.json"
    try:
        return OUTLINES.validate_json(kept.store.get(kept.bucket, key))
    except ObjectMissing:
        made = outline(given, start, end)
    kept.store.create(kept.bucket, key, OUTLINES.dump_json(made), "application/json")
    return made
