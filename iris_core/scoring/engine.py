"""The scoring pass: reads batches of rows, sets apart what cannot be scored, decides the rest, and writes it.

A table of which too much is set apart is refused. Several batches are processed at once, each on its own
thread, and written in row order as they finish. These batches bound the memory, whatever the size of the
table. This module knows neither Airflow nor MLflow nor the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import polars as pl

from iris_core.errors import DataRejected
from iris_core.models.decide import Decided
from iris_core.scoring.counts import VALUES_NAMED, Counts, Fault, UnknownLabels
from iris_core.scoring.output import SOURCE_ROW, Nowhere, Scoring, Sink, output
from iris_core.settings.features import Feature
from iris_core.settings.project import TableSchema
from iris_core.tables import Batch, Finding, Input, Labels, Range, Table, Wanted, read, rejection
from iris_core.tables.batch import Uneven
from iris_core.tables.findings import ROWS_NAMED, Check, worst_first
from iris_core.tables.kinds import expected, faults
from iris_core.tables.records import Positions, width_of

HEADER = b"source_row,column,reason,found\n"
SCHEMA: dict[str, Any] = {SOURCE_ROW: pl.Int64, "column": pl.String, "reason": pl.String, "found": pl.String}


@dataclass(frozen=True)
class Written:
    """The counts of a scoring pass, and the SHA-256 of the bytes that it wrote."""

    counts: Counts
    digest: str


def score_table(given: Input, how: Scoring, sink: Sink, rejects: Sink, rows: Range | None = None) -> Written:
    """Score a table, or a range of a plain CSV, into `sink`; write rows that cannot be scored to `rejects`.

    Only the part with the file's first rows has the header: joined, the parts of consecutive ranges have the
    same bytes as the whole.

    :param given: the table's bytes.
    :param how: the model, the table's schema, and how predictions are written.
    :param sink: receives the predictions.
    :param rejects: receives the rejected rows below a header, or nothing if no row is rejected.
    :param rows: the range to score; None scores the whole table.
    :raises DataRejected: the table cannot be read as one, or columns are missing.
    """
    source = _opened(given, how, rows)
    out, counts = output(sink, source, how, rows is None or rows.is_first), Counts()

    def work(batch: Batch) -> tuple[Counts, Any, bytes, int]:
        found = sorted_out(batch, how.table)
        decided = how.decider.decide(found.kept.features) if how.decider else None
        counted, rejected = _counted(how, found, decided), _told(how, found.rejected)
        return counted, out.rendered(found.kept, decided), rejected, found.kept.place

    for counted, rendered, told, place in source.each(work, how.workers):
        out.write(rendered)
        if told:
            rejects.write(told if counts.rejected else HEADER + told)
        counts += counted
        if how.watch:
            how.watch(counts.rows + counts.rejected, place)
    return Written(counts, out.close())


def require_usable(counts: Counts, where: str, most: float) -> None:
    """Refuse a whole table that has no rows, or too many rejected rows.

    :param counts: of the table's rows.
    :param where: the table's name, for the message.
    :param most: the tolerated share of rejected rows (`MAX_REJECT_SHARE`), in [0, 1].
    :raises DataRejected: the table is refused; the message names the worst column first.
    """
    rows = counts.rows + counts.rejected
    if not rows:
        found = "a header that has no rows below it"
        raise rejection(where, [Finding(check="no_rows", count=0, found=found, expected="at least 1")])
    if counts.rejected <= most * rows and counts.rejected < rows:
        return
    findings = [fault.finding() for fault in counts.worst_faults]
    told = rejection(where, findings)
    message = (
        f"{where}: {counts.rejected} of {rows} rows ({counts.rejected / rows:.1%}) cannot be scored, more "
        f"than MAX_REJECT_SHARE={most:g} allows. {str(told).removeprefix(f'{where}: ')}"
    )
    evidence: dict[str, Any] = {
        "rows": rows,
        "rejected": counts.rejected,
        "most": most,
        "findings": [finding.model_dump(mode="json") for finding in worst_first(findings)],
    }
    raise DataRejected(message, evidence)


def first_fault(given: Input, how: Scoring, rows: Range) -> DataRejected | None:
    """The fault for which a table is refused before the rows of a range are reached; None without one.

    Reads all that comes before: the slow way, for a table that is refused in any case.
    """
    if rows.start == rows.head:
        return None
    before = replace(rows, start=rows.head, end=rows.start)
    try:
        score_table(given, how, Nowhere(), Nowhere(), before)
    except DataRejected as error:
        return error
    return None


def _told(how: Scoring, rejected: pl.DataFrame) -> bytes:
    """Rejected rows as lines of CSV."""
    if not rejected.height:
        return b""
    told = how.guard.frame(rejected) if how.guard else rejected
    return told.write_csv(include_header=False).encode()


def _opened(given: Input, how: Scoring, rows: Range | None) -> Table:
    """Open the table that is scored.

    :raises DataRejected: a feature's column is missing, or a column has a name that scoring adds.
    """
    table = how.table
    wanted = Wanted(
        features=table.feature_names,
        labels=(table.target,),
        classes=table.classes,
        required=table.feature_names,
        key=table.key,
        carried="frame" if how.options.format == "parquet" else "lines",
        sets_apart=True,
        kinds=table.kinds,
    )
    source = read(given, wanted, rows)
    clash = [name for name in how.added if name in source.columns]
    if clash:
        found = f"a column {clash[0]!r}, which scoring writes"
        told = Finding(check="header", column=clash[0], count=1, found=found, expected="another name")
        raise rejection(given.where, [told])
    return source


@dataclass(frozen=True, eq=False)
class Sorted:
    """A batch's rows that can be scored, its rejected rows (with `SCHEMA`), and the faults of the latter."""

    kept: Batch
    rejected: pl.DataFrame
    faults: tuple[Fault, ...]


def sorted_out(batch: Batch, table: TableSchema) -> Sorted:
    """Set apart the rows that cannot be scored: those of another width or without a finite number."""
    told = [pl.DataFrame(schema=SCHEMA)]
    faults: list[Fault] = []
    if batch.uneven:
        faults += _uneven(batch.uneven, told)
    kept = batch
    if not batch.is_plain:
        bad = batch.features.select(
            pl.any_horizontal(pl.all().is_null() | pl.all().is_infinite())
        ).to_series()
        faults += _features(batch, table.features, told)
        kept = batch.kept(~bad)
    return Sorted(kept, pl.concat(told).sort(SOURCE_ROW), tuple(faults))


def _uneven(rows: Uneven, told: list[pl.DataFrame]) -> Iterator[Fault]:
    expected = f"{width_of(rows.width)} as in the header"
    checks: tuple[tuple[Check, Any], ...] = (
        ("long_row", rows.fields > rows.width),
        ("short_row", rows.fields < rows.width),
    )
    for check, mask in checks:
        if mask.any():
            numbers, fields = rows.numbers[mask], rows.fields[mask].tolist()
            names = {width: width_of(width) for width in {*fields}}
            found = [names[width] for width in fields]
            told.append(_rejected(numbers, "", f"expected {expected}", found))
            yield _fault(check, None, numbers, found, expected)


def _features(batch: Batch, features: Sequence[Feature], told: list[pl.DataFrame]) -> Iterator[Fault]:
    """Count every fault in its column; reject a row once, for the first column with a fault."""
    seen = pl.repeat(False, len(batch), dtype=pl.Boolean, eager=True)
    for feature in features:
        cells, values = batch.as_text(feature.name), batch.features[feature.name]
        for check, mask in faults(cells, values, feature):
            if mask.any():
                numbers, new = batch.numbers[mask.to_numpy()], mask & ~seen
                seen = seen | mask
                reason = f"{check.replace('_', ' ')}, expected {expected(feature)}"
                told.append(_rejected(batch.numbers[new.to_numpy()], feature.name, reason, cells.filter(new)))
                yield _fault(check, feature.name, numbers, cells.filter(mask), expected(feature))


def _rejected(numbers: Positions, column: str, reason: str, found: Any) -> pl.DataFrame:
    rows = {SOURCE_ROW: numbers, "column": column, "reason": reason, "found": found}
    return pl.DataFrame(rows, schema=SCHEMA)


def _fault(
    check: Check, column: str | None, numbers: Positions, values: Iterable[str], expected: str
) -> Fault:
    return Fault(
        check=check,
        column=column,
        count=len(numbers),
        rows=tuple(numbers[:ROWS_NAMED].tolist()),
        values=tuple(islice(dict.fromkeys(values), VALUES_NAMED)),
        expected=expected,
    )


def _counted(how: Scoring, found: Sorted, decided: Decided | None) -> Counts:
    """The counts of one batch."""
    counts = Counts(rows=len(found.kept), rejected=found.rejected.height, faults=found.faults)
    if decided is None:
        return counts
    by_class = np.bincount(decided.codes, minlength=len(how.classes)).tolist()
    classes = {name: count for name, count in zip(how.classes, by_class, strict=True) if count}
    labels = found.kept.labels.get(how.table.target)
    compared = {} if labels is None else _compared(how.classes, labels, decided)
    return counts.model_copy(update={"classes": classes, **compared})


def _compared(names: tuple[str, ...], labels: Labels, decided: Decided) -> dict[str, Any]:
    pairs = pl.DataFrame({"label": labels.known, "code": decided.codes}).drop_nulls()
    agreement: dict[str, dict[str, int]] = {}
    for label, code, count in pairs.group_by("label", "code").len().iter_rows():
        agreement.setdefault(label, {})[names[code]] = count
    unknown = UnknownLabels(count=labels.unknown_count, examples=labels.unknown_examples)
    return {"agreement": agreement, "unknown_labels": unknown}
