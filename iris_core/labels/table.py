"""Reads a file of labels: one pass checks keys and labels, further passes read a share of the keys each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from iris_core.scoring.counts import UnknownLabels
from iris_core.scoring.formulas import FORMULA, MARK
from iris_core.settings.project import TableSchema
from iris_core.tables import Batch, Input, Wanted, read, rejection
from iris_core.tables.findings import Finding, one_of, shown
from iris_core.tables.tallies import Tally

KEY, LABEL = "key", "label"
ROWS_AT_ONCE = 500_000
KEY_BYTES_AT_ONCE = 32 << 20
"""Most rows, and bytes of keys, that are joined in one pass; a longer file takes several passes."""
CONFLICTS_SHOWN = 3


@dataclass(frozen=True)
class Survey:
    """Counts of one pass over a file of labels.

    `unlabelled` rows have no label. `nameless` is the finding about rows without a key, `unknown` the one
    about labels that are no class; `check_share` decides whether they are too many.
    """

    rows: int
    key_bytes: int
    unlabelled: int
    nameless: Finding | None
    unknown: Finding | None
    unknown_labels: UnknownLabels

    @property
    def passes(self) -> int:
        """How many passes over labels and predictions the join takes."""
        return max(1, -(-self.rows // ROWS_AT_ONCE), -(-self.key_bytes // KEY_BYTES_AT_ONCE))


@dataclass(frozen=True, eq=False)
class Share:
    """A share of a file's labels: columns `KEY` and `LABEL`, one row per key.

    `duplicate` rows repeat a key with the same label. `conflicting` keys have several labels and are left
    out; `conflicts` describes some of them.
    """

    frame: pl.DataFrame
    duplicate: int
    conflicting: int
    conflicts: tuple[str, ...]


def keys(name: str) -> pl.Expr:
    """A key column in the form that is joined: without outer blanks, without the mark of `CSV_SAFE`."""
    key = pl.col(name).str.strip_chars()
    bare = key.str.strip_prefix(MARK)
    return pl.when(bare.str.contains(FORMULA)).then(bare).otherwise(key).alias(KEY)


def survey(given: Input, table: TableSchema) -> Survey:
    """Check and count a file of labels in one pass.

    :raises DataRejected: the file is no table, a column is missing, or no row has a class as its label.
    """
    rows = unlabelled = key_bytes = 0
    nameless = Tally("missing", table.key, "a value in every row")
    unknown = Tally("unknown_class", table.target, one_of(table.classes))
    unknown_labels = UnknownLabels()
    for batch in _read(given, table):
        rows += len(batch)
        key, label = batch.text[table.key], batch.labels[table.target]
        key_bytes += int(key.str.len_bytes().sum())
        unlabelled += int((label.known.is_null() & label.unknown.is_null()).sum())
        nameless.add(batch, key.str.strip_chars() == "")
        unknown.add(batch, label.unknown.is_not_null())
        unknown_labels += UnknownLabels(count=label.unknown_count, examples=label.unknown_examples)
    if unlabelled + unknown.count == rows:
        told = unknown.finding(table.classes) if unknown.count else _nothing(rows, table)
        raise rejection(given.where, [told])
    return Survey(
        rows,
        key_bytes,
        unlabelled,
        nameless.finding(()) if nameless.count else None,
        unknown.finding(table.classes) if unknown.count else None,
        unknown_labels,
    )


def shares(given: Input, table: TableSchema, passes: int) -> Iterator[Share]:
    """Read the labels once per pass and yield one share each time; a hash of the key chooses the share.

    :param given: the file of labels.
    :param table: the schema, with key, target and classes.
    :param passes: the number of shares.
    """
    for number in range(passes):
        rows, found = 0, []
        for batch in _read(given, table):
            pairs = _pairs(batch, table, passes, number)
            rows += pairs.height
            found.append(_compact(pairs.unique()))
        yield _share(pl.concat(found), rows)


def _compact(pairs: pl.DataFrame) -> pl.DataFrame:
    """Copy the keys: otherwise a few rows of a batch would keep the text of the whole batch in memory."""
    keys = pl.Series(KEY, pl.from_arrow(pairs[KEY].to_arrow(compat_level=pl.CompatLevel.oldest())))
    return pairs.with_columns(keys)


def _pairs(batch: Batch, table: TableSchema, passes: int, number: int) -> pl.DataFrame:
    pairs = batch.text.select(keys(table.key), batch.labels[table.target].known.alias(LABEL))
    pairs = pairs.filter((pl.col(KEY) != "") & pl.col(LABEL).is_not_null())
    return pairs.filter(pl.col(KEY).hash() % passes == number) if passes > 1 else pairs


def _share(pairs: pl.DataFrame, rows: int) -> Share:
    distinct = pairs.unique()
    several = distinct.filter(pl.col(KEY).is_duplicated())
    conflicting = several[KEY].n_unique()
    by_key = several.group_by(KEY).agg(pl.col(LABEL).cast(pl.String).sort()).sort(KEY)
    shown_ones = tuple(
        f"{shown(key)} is {' and '.join(shown(name) for name in names)}"
        for key, names in by_key.head(CONFLICTS_SHOWN).iter_rows()
    )
    kept = distinct.filter(~pl.col(KEY).is_duplicated()) if conflicting else distinct
    return Share(kept, rows - distinct.height, conflicting, shown_ones)


def _read(given: Input, table: TableSchema) -> Iterator[Batch]:
    """Read batches with key and label.

    :raises DataRejected: the file is no table, or one of the two columns is missing.
    """
    key, target = (table.key,), (table.target,)
    wanted = Wanted(labels=target, classes=table.classes, text=key, required=key + target)
    source = read(given, wanted)
    return source.batches()


def _nothing(rows: int, table: TableSchema) -> Finding:
    if not rows:
        found = "a header that has no rows below it"
        return Finding(check="no_rows", count=0, found=found, expected="at least 1")
    found = f"no label in any of {rows} rows"
    return Finding(
        check="missing_label", column=table.target, count=rows, found=found, expected=one_of(table.classes)
    )


def check_share(
    given: Input, found: Survey, conflicting: int, conflicts: tuple[str, ...], most: float
) -> None:
    """Refuse a file of labels if too large a share of it cannot be used.

    :param given: the file, for the message.
    :param found: what `survey` counted.
    :param conflicting: the number of keys with several labels.
    :param conflicts: descriptions of some of them.
    :param most: the tolerated share (`MAX_REJECT_SHARE`), in [0, 1].
    :raises DataRejected: rows without a key, labels that are no class and conflicting keys exceed that share.
    """
    findings = [finding for finding in (found.unknown, found.nameless) if finding]
    if sum(finding.count for finding in findings) + conflicting <= most * found.rows:
        return
    if conflicting:
        ids = f"{conflicting} id{'s' if conflicting > 1 else ''}"
        told = f"{ids} with several labels ({'; '.join(conflicts)})"
        findings.append(Finding(check="conflict", count=conflicting, found=told, expected="one label an id"))
    raise rejection(given.where, findings)


__all__ = ["KEY", "LABEL", "Share", "Survey", "check_share", "keys", "shares", "survey"]
