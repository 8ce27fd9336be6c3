"""The scoring pass: input ranges become blocks, rows, decisions, and a part of the output, in row order.

A few blocks are under way at once, each on a thread of its own; the part is written back as it goes. Memory
is bounded by the blocks under way, whatever the size of the table. Nothing here knows Airflow, MLflow or
the ledger.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from iris_core.scoring import parquet
from iris_core.scoring.decide import Decided, Decider
from iris_core.scoring.formulas import Guard
from iris_core.scoring.options import Options, Range, Sink
from iris_core.scoring.render import CsvRenderer, added_columns, csv_line
from iris_core.settings.project import TableSchema
from iris_core.tables.inputs import Input, kind, layout, open_csv, open_range
from iris_core.tables.ordered import ordered
from iris_core.tables.rejects import HEADER, Fault, Faults, as_csv
from iris_core.tables.rows import Block, Layout, Parsed, parse

WORKERS = 3
"""Blocks worked on at once: the heavy parts of polars, Arrow and BLAS leave Python's lock. One more than a
small machine has cores, for the thread that writes and the waits on that lock."""


@dataclass
class Tally:
    """What a scoring pass counted; `agreement` counts pairs (label, prediction) where there are labels."""

    rows: int = 0
    rejected: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    agreement: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Faults = field(default_factory=Faults)
    digest: str = ""

    def add(self, names: tuple[str, ...], parsed: Parsed, decided: Decided | None) -> None:
        """Count one block."""
        self.rejected += parsed.rejected.height
        self.faults.add(parsed.faults)
        self.rows += parsed.rows.features.height
        if decided is None:
            return
        counts = np.bincount(decided.codes, minlength=len(names)).tolist()
        self.classes.update({name: count for name, count in zip(names, counts, strict=True) if count})
        if parsed.rows.labels is not None:
            self._compare(names, parsed.rows.labels, decided)

    def _compare(self, names: tuple[str, ...], labels: pl.Series, decided: Decided) -> None:
        pairs = pl.DataFrame({"label": labels, "code": decided.codes}).filter(pl.col("label") != "")
        for label, code, count in pairs.group_by("label", "code").len().iter_rows():
            self.agreement[label, names[code]] += count

    def pairs(self) -> dict[str, dict[str, int]]:
        """Counts by label, then by prediction."""
        table: dict[str, dict[str, int]] = {}
        for (label, predicted), count in sorted(self.agreement.items()):
            table.setdefault(label, {})[predicted] = count
        return table

    def all_faults(self) -> tuple[Fault, ...]:
        """Most rows first."""
        return self.faults.all()


@dataclass(frozen=True, eq=False)
class _Done:
    parsed: Parsed
    decided: Decided | None
    rendered: bytes | memoryview


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
) -> Tally:
    """Score a table, or a range of a plain CSV, into `sink`; rows that cannot be scored go to `rejects`.

    The header is written with the file's first rows only: parts of consecutive ranges, one after the
    other, are the same bytes as the whole.

    :param decider: None copies the rows with their numbers: what everything but the model costs.
    :param rejects: written to only if there are some, its header first.
    :param watch: told after each block how many rows were seen, and at which byte of the input about.
    :raises DataRejected: the table cannot be read as one, or columns are missing.
    """
    out = _Digesting(sink)
    tally = Tally()
    if rows is None and kind(given) == "parquet":
        done = parquet.scored(given, decider, table, options, out, workers)
    elif options.format == "parquet":
        done = parquet.converted(given, decider, table, options, out, workers)
    else:
        done = _csv(given, decider, table, options, out, rows, workers)
    names = decider.classes if decider else ()
    guard = Guard(table) if options.csv_safe else None
    for parsed, decided, place in done:
        tally.add(names, parsed, decided)
        if parsed.rejected.height:
            if tally.rejected == parsed.rejected.height:
                rejects.write(HEADER)
            rejects.write(as_csv(guard.frame(parsed.rejected) if guard else parsed.rejected))
        if watch:
            watch(tally.rows + tally.rejected, place)
    tally.digest = out.digest.hexdigest()
    return tally


def _csv(
    given: Input,
    decider: Decider | None,
    table: TableSchema,
    options: Options,
    out: Sink,
    rows: Range | None,
    workers: int,
) -> Iterator[tuple[Parsed, Decided | None, int]]:
    opened = (
        open_csv(given)
        if rows is None
        else open_range(given, rows.head, rows.start, rows.end, rows.first_row)
    )
    names = decider.classes if decider else ()
    added = added_columns(names, options.probabilities)
    found = layout(opened.header.columns, table, given.where, added)
    guard = Guard(table) if options.csv_safe else None
    if rows is None or rows.start == rows.head:
        shown = added if decider else added[-1:]
        line = opened.header.line
        out.write(guard.line(line, len(found.columns)) if guard else line)
        out.write(b"," + csv_line(shown) + b"\n")
    labels = tuple(map(guard.text, names)) if guard else names
    renderer = CsvRenderer(labels, options.model_version)

    def work(block: Block) -> _Done:
        return _work(block, found, decider, renderer, guard)

    place = rows.start if rows else opened.header.end
    for block, done in ordered(opened.blocks, work, workers):
        if len(done.rendered):
            out.write(done.rendered)
            out.write(b"\n")
        place += len(block.data)
        yield done.parsed, done.decided, place


def _work(
    block: Block, found: Layout, decider: Decider | None, renderer: CsvRenderer, guard: Guard | None
) -> _Done:
    parsed = parse(block, found)
    decided = decider.decide(parsed.rows.features) if decider else None
    rows = guard.rows(parsed.rows, found) if guard else parsed.rows
    return _Done(parsed, decided, renderer.rows(rows, decided))
