"""The scoring pass: batches of rows become decisions and a part of the output, in row order.

A few batches are under way at once, each on a thread of its own; the part is written back as it goes. Memory
is bounded by the batches under way, whatever the size of the table. Nothing here knows Airflow, MLflow or
the ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from iris_core.scoring.counts import Counts
from iris_core.scoring.decide import Decided, Decider
from iris_core.scoring.formulas import Guard
from iris_core.scoring.output import Options, Sink, added_columns, output
from iris_core.scoring.quality import UnknownLabels
from iris_core.scoring.rejects import HEADER, Sorted, as_csv, sorted_out
from iris_core.settings.project import TableSchema
from iris_core.tables import Batch, Finding, Input, Labels, Range, Table, Wanted, read, rejection
from iris_core.tables.reading import WORKERS


@dataclass(frozen=True)
class Written:
    """What a scoring pass counted, and the SHA-256 of what it wrote."""

    counts: Counts
    digest: str


class _Digesting:
    """A sink that remembers the digest of what went through it."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.digest = hashlib.sha256()

    def write(self, data: bytes | memoryview, /) -> None:
        self.digest.update(data)
        self._sink.write(data)


def score_table(
    given: Input,
    decider: Decider | None,
    table: TableSchema,
    options: Options,
    sink: Sink,
    rejects: Sink,
    rows: Range | None = None,
    watch: Callable[[int, int], None] | None = None,
    workers: int = WORKERS,
) -> Written:
    """Score a table, or a range of a plain CSV, into `sink`; rows that cannot be scored go to `rejects`.

    The header is written with the file's first rows only: parts of consecutive ranges, one after the
    other, are the same bytes as the whole.

    :param decider: None copies the rows with their numbers: what everything but the model costs.
    :param rejects: written to only if there are some, its header first.
    :param watch: told after each batch how many rows were seen, and at which byte of the input about.
    :raises DataRejected: the table cannot be read as one, or columns are missing.
    """
    names = decider.classes if decider else ()
    source = _opened(given, table, options, names, rows)
    digesting, counts = _Digesting(sink), Counts()
    guard = Guard(table) if options.csv_safe else None
    out = output(digesting, source, names, options, guard, rows is None or rows.start == rows.head)

    def work(batch: Batch) -> tuple[Sorted, Decided | None, Any]:
        found = sorted_out(batch, table)
        decided = decider.decide(found.kept.features) if decider else None
        return found, decided, out.rendered(found.kept, decided)

    for found, decided, rendered in source.each(work, workers):
        out.write(rendered)
        if found.rejected.height:
            if not counts.rejected:
                rejects.write(HEADER)
            rejects.write(as_csv(guard.frame(found.rejected) if guard else found.rejected))
        counts += _counted(names, found, found.kept.labels.get(table.target), decided)
        if watch:
            watch(counts.rows + counts.rejected, found.kept.place)
    out.close()
    return Written(counts, digesting.digest.hexdigest())


def _counted(names: tuple[str, ...], found: Sorted, labels: Labels | None, decided: Decided | None) -> Counts:
    """One batch."""
    counts = Counts(rows=len(found.kept), rejected=found.rejected.height, faults=found.faults)
    if decided is None:
        return counts
    by_class = np.bincount(decided.codes, minlength=len(names)).tolist()
    classes = {name: count for name, count in zip(names, by_class, strict=True) if count}
    compared = {} if labels is None else _compared(names, labels, decided)
    return counts.model_copy(update={"classes": classes, **compared})


def _compared(names: tuple[str, ...], labels: Labels, decided: Decided) -> dict[str, Any]:
    pairs = pl.DataFrame({"label": labels.known, "code": decided.codes}).drop_nulls()
    agreement: dict[str, dict[str, int]] = {}
    for label, code, count in pairs.group_by("label", "code").len().iter_rows():
        agreement.setdefault(label, {})[names[code]] = count
    return {"agreement": agreement, "unknown_labels": UnknownLabels.among(labels)}


def _opened(
    given: Input, table: TableSchema, options: Options, classes: tuple[str, ...], rows: Range | None
) -> Table:
    """The table that is scored.

    :raises DataRejected: a feature's column is missing, or one has a name that scoring writes.
    """
    wanted = Wanted(
        features=table.feature_names,
        labels=(table.target,),
        classes=table.classes,
        key=table.key,
        carried="frame" if options.format == "parquet" else "lines",
        sets_apart=True,
    )
    source = read(given, wanted, rows)
    source.require(table.feature_names)
    clash = [name for name in added_columns(classes, options.probabilities) if name in source.columns]
    if clash:
        found = f"a column {clash[0]!r}, which scoring writes"
        told = Finding(check="header", column=clash[0], count=1, found=found, expected="another name")
        raise rejection(given.where, [told])
    return source
