"""Published predictions, read back as frames of text whatever their format."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from iris_core.store.objects import ObjectStore, ObjectVersion
from iris_core.tables import batches
from iris_core.tables.inputs import StoredInput
from iris_core.tables.parquet import BATCH_ROWS, opened


def text_frames(store: ObjectStore, version: ObjectVersion) -> Iterator[pl.DataFrame]:
    """The rows of a table in the store, in its order and bounded memory; an empty cell is ''.

    :raises ObjectMissing: this version is gone.
    """
    if not version.key.endswith(".parquet"):
        yield from (batch.frame for batch in batches(store.chunks(version), version.uri))
        return
    for batch in opened(StoredInput(store, version)).iter_batches(BATCH_ROWS):
        yield pl.DataFrame(pl.from_arrow(batch)).select(pl.all().cast(pl.String).fill_null(""))
