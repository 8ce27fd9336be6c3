"""The scoring pass: reads batches of rows, decides them, and writes a part of the output in row order.

Several batches are processed at once, each on its own thread, and written as they finish. These batches bound
the memory, whatever the size of the table. This module knows neither Airflow nor MLflow nor the ledger.
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
    """The counts of a scoring pass, and the SHA-256 of the bytes that it wrote."""

    counts: Counts
    digest: str


class _Digesting:
    """A sink that passes bytes on and computes their digest."""

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
    """Score a table, or a range of a plain CSV, into `sink`; write rows that cannot be scored to `rejects`.

    Only the part with the file's first rows has the header: joined, the parts of consecutive ranges have the
    same bytes as the whole.

    :param given: the table's bytes.
    :param decider: the model; None only copies the rows with their numbers, to measure everything but the
        model.
    :param table: the schema of the table.
    :param options: how predictions are written.
    :param sink: receives the predictions.
    :param rejects: receives the rejected rows below a header, or nothing if no row is rejected.
    :param rows: the range to score; None scores the whole table.
    :param watch: called after each batch with the number of rows so far and the approximate byte of the
        input.
    :param workers: how many batches are processed at once.
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
    """The counts of one batch."""
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
    """Open the table that is scored.

    :raises DataRejected: a feature's column is missing, or a column has a name that scoring adds.
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
