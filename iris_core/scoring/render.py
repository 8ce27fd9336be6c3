"""Predictions beside the rows they are about: the input's own bytes, with columns added at each row's end."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from iris_core.scoring.decide import Decided
from iris_core.tables.rejects import SOURCE_ROW
from iris_core.tables.rows import Rows

PREDICTION = "prediction"
MODEL_VERSION = "model_version"


def probability_names(classes: Sequence[str]) -> list[str]:
    """Columns of the classes' probabilities."""
    return [f"probability_{label}" for label in classes]


def added_columns(classes: Sequence[str], probabilities: bool) -> list[str]:
    """What scoring adds to a table, in order."""
    shares = probability_names(classes) if probabilities else []
    return [PREDICTION, *shares, MODEL_VERSION, SOURCE_ROW]


def csv_line(fields: Sequence[str]) -> bytes:
    """Fields as a CSV has them, quoted where they must be, without a line end."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(fields)
    return out.getvalue().encode()


class CsvRenderer:
    """Rows with their predictions as CSV."""

    def __init__(self, classes: Sequence[str], model_version: str) -> None:
        version = csv_line([model_version]) if model_version else b""
        self._middle = b"," + version + b","
        labels = [b"," + csv_line([label]) for label in classes]
        self._labels = pa.array(labels, pa.binary())
        self._labels_to_row = pa.array([label + self._middle for label in labels], pa.binary())

    def rows(self, rows: Rows, decided: Decided | None) -> memoryview | bytes:
        """The rows' bytes with the added columns (without a decision only their numbers); the last row's
        newline is left to be written."""
        count = rows.ends.size
        if not count:
            return b""
        # Cut before each newline, so that pieces join without a copy of their own; the first has none.
        cuts = np.empty(count + 1, np.int32)
        cuts[0] = 0
        cuts[1:] = rows.ends
        buffers = [None, pa.py_buffer(cuts), pa.py_buffer(rows.data)]
        lines = pa.Array.from_buffers(pa.binary(), count, buffers)
        numbers = pa.array(rows.numbers).cast(pa.string()).cast(pa.binary())
        parts = [*self._tail(decided), numbers] if decided else [pa.scalar(b",", pa.binary()), numbers]
        return _content(pc.binary_join_element_wise(lines, *parts, b""))

    def _tail(self, decided: Decided) -> list[pa.Array]:
        codes = pa.array(decided.codes)
        if decided.probabilities is None:
            return [self._labels_to_row.take(codes)]
        shares = [
            pl.Series(column).cast(pl.String).to_arrow().cast(pa.binary())
            for column in decided.probabilities.T
        ]
        comma = pa.scalar(b",", pa.binary())
        between = [part for share in shares for part in (comma, share)]
        return [self._labels.take(codes), *between, pa.scalar(self._middle, pa.binary())]


def _content(joined: pa.Array) -> memoryview | bytes:
    """The values of a binary array, one after the other."""
    offsets = np.frombuffer(joined.buffers()[1], np.int32)
    return memoryview(joined.buffers()[2]).cast("B")[: int(offsets[len(joined)])]
