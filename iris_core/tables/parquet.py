"""Parquet files, read by range in batches of rows."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from iris_core.tables.findings import Finding, rejection
from iris_core.tables.inputs import Input, RangeFile

BATCH_ROWS = 200_000


def opened(given: Input) -> pq.ParquetFile:
    """A Parquet file that is read by range.

    :raises DataRejected: it is damaged.
    """
    try:
        return pq.ParquetFile(pa.PythonFile(io.BufferedReader(RangeFile(given), 1 << 20), mode="r"))
    except (pa.ArrowInvalid, OSError) as error:
        told = f"a damaged Parquet file ({str(error).splitlines()[0][:120]})"
        finding = Finding(check="format", count=1, found=told, expected="a whole one")
        raise rejection(given.where, [finding]) from error
