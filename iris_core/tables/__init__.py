"""How do bytes become rows? The only reader of tables, with one meaning of missing, of a number, of a label.

`read` reads CSV, gzip and Parquet into typed batches. Row numbers are those of a spreadsheet: the header is
row 1, a row without any value is skipped but counted, and a line break inside quotes starts no new row.
Anything else is refused; the message names the row and what to do.
"""

from __future__ import annotations

from iris_core.tables.batch import Batch, Wanted
from iris_core.tables.cells import MISSING, OTHER, Classes, Labels, is_missing, numbers
from iris_core.tables.findings import Finding, missing_columns, rejection
from iris_core.tables.inputs import Input, LocalInput, MemoryInput, StoredInput
from iris_core.tables.reading import Range, Table, read
from iris_core.tables.records import Lines
from iris_core.tables.repeats import Repeats

__all__ = [
    "MISSING",
    "OTHER",
    "Batch",
    "Classes",
    "Finding",
    "Input",
    "Labels",
    "Lines",
    "LocalInput",
    "MemoryInput",
    "Range",
    "Repeats",
    "StoredInput",
    "Table",
    "Wanted",
    "is_missing",
    "missing_columns",
    "numbers",
    "read",
    "rejection",
]
