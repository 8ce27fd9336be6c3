"""Tables: a CSV in pieces of bytes becomes frames of text, in row order and bounded memory.

Row numbers are a spreadsheet's: the header is row 1, a blank line is skipped but counted, and a line
break inside quotes starts no new row. What is not a comma-separated table in UTF-8 is refused with the
row and what to do about it.
"""

from __future__ import annotations

from iris_core.tables.cells import MISSING, is_missing, labels, numbers
from iris_core.tables.findings import Finding, rejection
from iris_core.tables.frames import Batch, batches, typed_frame
from iris_core.tables.repeats import Repeats

__all__ = [
    "MISSING",
    "Batch",
    "Finding",
    "Repeats",
    "batches",
    "is_missing",
    "labels",
    "numbers",
    "rejection",
    "typed_frame",
]
