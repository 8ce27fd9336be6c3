"""Rows that cannot be scored, with the reason for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import polars as pl

from iris_core.scoring.counts import VALUES_NAMED, Fault
from iris_core.scoring.output import SOURCE_ROW
from iris_core.settings.project import Feature, TableSchema
from iris_core.tables import Batch, is_missing
from iris_core.tables.batch import Uneven
from iris_core.tables.findings import ROWS_NAMED, Check
from iris_core.tables.records import Positions, width_of

HEADER = b"source_row,column,reason,found\n"
SCHEMA: dict[str, Any] = {SOURCE_ROW: pl.Int64, "column": pl.String, "reason": pl.String, "found": pl.String}


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
            numbers, found = rows.numbers[mask], [width_of(int(fields)) for fields in rows.fields[mask]]
            told.append(_rejected(numbers, "", f"expected {expected}", found))
            yield _fault(check, None, numbers, found, expected)


def _features(batch: Batch, features: Sequence[Feature], told: list[pl.DataFrame]) -> Iterator[Fault]:
    """Count every fault in its column; reject a row once, for the first column with a fault."""
    seen = pl.repeat(False, len(batch), dtype=pl.Boolean, eager=True)
    for feature in features:
        cells, values = batch.as_text(feature.name), batch.features[feature.name]
        expected = f"a number in {feature.unit}" if feature.unit else "a number"
        for check, mask in _checks(cells, values):
            if mask.any():
                numbers, new = batch.numbers[mask.to_numpy()], mask & ~seen
                seen = seen | mask
                reason = f"{check.replace('_', ' ')}, expected {expected}"
                told.append(_rejected(batch.numbers[new.to_numpy()], feature.name, reason, cells.filter(new)))
                yield _fault(check, feature.name, numbers, cells.filter(mask), expected)


def _checks(cells: pl.Series, values: pl.Series) -> Sequence[tuple[Check, pl.Series]]:
    is_absent = is_missing(cells) & values.is_null()
    return (
        ("missing", is_absent),
        ("not_a_number", values.is_null() & ~is_absent),
        ("infinite", values.is_infinite().fill_null(False)),
    )


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


def as_csv(rejected: pl.DataFrame) -> bytes:
    """Rejected rows (`SCHEMA`) without a header."""
    return rejected.write_csv(include_header=False).encode()
