"""A file of labels: key and label, checked in one pass, then held a share of the keys at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import polars as pl

from iris_core.scoring.formulas import FORMULA, MARK
from iris_core.settings.project import TableSchema
from iris_core.tables import Batch, batches, is_missing, rejection
from iris_core.tables.findings import Finding, shown
from iris_core.tables.frames import missing_columns
from iris_core.tables.inputs import Input, kind, ranges, unzipped
from iris_core.tables.parquet import BATCH_ROWS, opened
from iris_core.tables.tallies import Tally

KEY, LABEL = "key", "label"
ROWS_AT_ONCE = 1_000_000
"""So many labels are held at once; a longer file is joined in several passes."""
CONFLICTS_SHOWN = 3


@dataclass(frozen=True)
class Survey:
    """What one pass over a file of labels counted; `unlabelled` rows have an empty label.

    `nameless` rows have no key: a finding, for the caller to weigh.
    """

    rows: int
    unlabelled: int
    nameless: Finding | None

    @property
    def passes(self) -> int:
        """How often the predictions are read."""
        return max(1, -(-self.rows // ROWS_AT_ONCE))


@dataclass(frozen=True, eq=False)
class Share:
    """Some of a file's labels: one row a key, `KEY` and `LABEL`.

    `duplicate` rows said the same again. `conflicting` keys had several labels, so none counts:
    `conflicts` shows some of them.
    """

    frame: pl.DataFrame
    duplicate: int
    conflicting: int
    conflicts: tuple[str, ...]


def keys(name: str) -> pl.Expr:
    """A key column as it is joined: without blanks around it, nor the mark of `CSV_SAFE` before a formula."""
    key = pl.col(name).str.strip_chars()
    bare = key.str.strip_prefix(MARK)
    return pl.when(bare.str.contains(FORMULA)).then(bare).otherwise(key).alias(KEY)


def survey(given: Input, table: TableSchema) -> Survey:
    """Check a file of labels: columns, classes, rows.

    :raises DataRejected: not a table, a column is missing, a class is unknown, nothing is labelled.
    """
    rows = unlabelled = 0
    nameless = Tally("missing", table.key, "a value in every row")
    unknown = Tally("unknown_class", table.target, _one_of(table.classes))
    for batch in _read(given, table):
        rows += batch.frame.height
        key, label = batch.frame[table.key], batch.frame[table.target].str.strip_chars()
        is_empty = is_missing(label) & ~label.is_in(table.classes)
        unlabelled += int(is_empty.sum())
        for tally, mask in (
            (nameless, key.str.strip_chars() == ""),
            (unknown, ~is_empty & ~label.is_in(table.classes)),
        ):
            if mask.any():
                tally.add(batch, mask)
    if unknown.count:
        raise rejection(given.where, [unknown.finding(table.classes)])
    if unlabelled == rows:
        raise rejection(given.where, [_nothing(rows, table)])
    return Survey(rows, unlabelled, nameless.finding(()) if nameless.count else None)


def shares(given: Input, table: TableSchema, passes: int) -> Iterator[Share]:
    """The file's labels, split by a hash of their keys into as many shares as there are passes."""
    for number in range(passes):
        found = [_pairs(batch.frame, table, passes, number) for batch in _read(given, table)]
        yield _share(pl.concat(found))


def _pairs(frame: pl.DataFrame, table: TableSchema, passes: int, number: int) -> pl.DataFrame:
    pairs = frame.select(keys(table.key), pl.col(table.target).str.strip_chars().alias(LABEL)).filter(
        (pl.col(KEY) != "") & pl.col(LABEL).is_in(table.classes)
    )
    if passes > 1:
        pairs = pairs.filter(pl.col(KEY).hash() % passes == number)
    return pairs.with_columns(pl.col(LABEL).cast(pl.Enum(table.classes)))


def _share(pairs: pl.DataFrame) -> Share:
    distinct = pairs.unique()
    several = distinct.filter(pl.col(KEY).is_duplicated())
    conflicting = several[KEY].n_unique()
    by_key = several.group_by(KEY).agg(pl.col(LABEL).cast(pl.String).sort()).sort(KEY)
    shown_ones = tuple(
        f"{shown(key)} is {' and '.join(shown(name) for name in names)}"
        for key, names in by_key.head(CONFLICTS_SHOWN).iter_rows()
    )
    kept = distinct.filter(~pl.col(KEY).is_duplicated()) if conflicting else distinct
    return Share(kept, pairs.height - distinct.height, conflicting, shown_ones)


def _read(given: Input, table: TableSchema) -> Iterator[Batch]:
    """Batches with key and label as text.

    :raises DataRejected: not a table, or one of the two columns is missing.
    """
    wanted = (table.key, table.target)
    if kind(given) == "parquet":
        yield from _parquet(given, wanted)
        return
    pieces: Iterator[bytes] = ranges(given, 0, given.size)
    if kind(given) == "gzip":
        pieces = unzipped(pieces, given.where)
    for batch in batches(pieces, given.where):
        _check_columns(tuple(batch.frame.columns), wanted, given.where)
        yield batch


def _parquet(given: Input, wanted: tuple[str, str]) -> Iterator[Batch]:
    file, row = opened(given), 2
    _check_columns(tuple(file.schema_arrow.names), wanted, given.where)
    for batch in file.iter_batches(BATCH_ROWS, columns=list(wanted)):
        frame = cast(pl.DataFrame, pl.from_arrow(batch)).select(pl.col(wanted).cast(pl.String).fill_null(""))
        yield Batch(frame, row)
        row += frame.height
    if row == 2:
        yield Batch(pl.DataFrame(schema=dict.fromkeys(wanted, pl.String)), row)


def _check_columns(columns: tuple[str, ...], wanted: tuple[str, str], where: str) -> None:
    if absent := missing_columns(columns, wanted):
        raise rejection(where, absent)


def _nothing(rows: int, table: TableSchema) -> Finding:
    if not rows:
        found = "a header that has no rows below it"
        return Finding(check="no_rows", count=0, found=found, expected="at least 1")
    found = f"no label in any of {rows} rows"
    return Finding(
        check="missing_label", column=table.target, count=rows, found=found, expected=_one_of(table.classes)
    )


def check_share(
    given: Input, found: Survey, conflicting: int, conflicts: tuple[str, ...], most: float
) -> None:
    """Refuse a file of which too large a share cannot be used.

    :param most: `MAX_REJECT_SHARE`.
    :raises DataRejected: rows without a key and keys with several labels are more than that.
    """
    unusable = (found.nameless.count if found.nameless else 0) + conflicting
    if unusable <= most * found.rows:
        return
    findings = [found.nameless] if found.nameless else []
    if conflicting:
        ids = f"{conflicting} id{'s' if conflicting > 1 else ''}"
        told = f"{ids} with several labels ({'; '.join(conflicts)})"
        findings.append(Finding(check="conflict", count=conflicting, found=told, expected="one label an id"))
    raise rejection(given.where, findings)


def _one_of(names: tuple[str, ...]) -> str:
    return f"{', '.join(shown(name) for name in names[:-1])} or {shown(names[-1])}"


__all__ = ["KEY", "LABEL", "Share", "Survey", "check_share", "keys", "shares", "survey"]
