"""Finds the rows of a shard. The shards of an object do this together, and none waits for another.

Which rows lie in a stretch of a CSV depends on all bytes before it. Each shard outlines its own stretch and
keeps the outline for those after it. An outline that it needs and does not find, it makes itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from iris_core.errors import ObjectMissing
from iris_core.store.objects import ObjectStore
from iris_core.tables import Input, Range
from iris_core.tables.cutting import Cutting
from iris_core.tables.outline import Outline, outline

OUTLINES = TypeAdapter(Outline)


@dataclass(frozen=True)
class Unfinished:
    """Where the parts of an object are until it is published, and the outlines of its stretches."""

    store: ObjectStore
    bucket: str
    folder: str

    def outline(self, given: Input, start: int, end: int) -> Outline:
        """The outline of the bytes [start, end): the kept one, or made and kept."""
        key = f"{self.folder}/{start}-{end}.outline.json"
        try:
            return OUTLINES.validate_json(self.store.get(self.bucket, key))
        except ObjectMissing:
            made = outline(given, start, end)
        self.store.create(self.bucket, key, OUTLINES.dump_json(made), "application/json")
        return made


def stretch_rows(given: Input, cutting: Cutting, index: int, unfinished: Unfinished) -> Range:
    """The rows of one stretch of a file.

    :param given: the file's bytes.
    :param cutting: how the file is cut.
    :param index: the stretch, counted from 0.
    :param unfinished: where outlines are kept.
    """
    is_last = index == cutting.count - 1
    # Its own first: shards that start at the same time then find those of the others.
    own = Outline() if is_last else unfinished.outline(given, *cutting.stretch(index))
    before = Outline()
    for earlier in range(index):
        before += unfinished.outline(given, *cutting.stretch(earlier))
    return cutting.rows(before, own, is_last)
