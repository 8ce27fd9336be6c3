"""A file of labels: key and label, checked in one pass, then held a share of the keys at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from iris_core.scoring.formulas import FORMULA, MARK
from iris_core.scoring.quality import UnknownLabels
from iris_core.settings.project import TableSchema
from iris_core.tables import Batch, Input, Wanted, read, rejection
from iris_core.tables.findings import Finding, one_of, shown
from iris_core.tables.tallies import Tally

KEY, LABEL = "key", "label"
ROWS_AT_ONCE = 1_000_000
KEY_BYTES_AT_ONCE = 64 << 20
"""So many labels are held at once, with keys of so many bytes; a longer file is joined in several passes."""
CONFLICTS_SHOWN = 3


@dataclass(frozen=True)
class Survey:
    """What one pass over a file of labels counted; `unlabelled` rows have no label.

    `nameless` rows have no key, `unknown` ones a label that is no class: findings, for the caller to weigh.
    """

    rows: int
    key_bytes: int
    unlabelled: int
    nameless: Finding | None
    unknown: Finding | None
    unknown_labels: UnknownLabels

    @property
    def passes(self) -> int:
        """How often the predictions are read."""
        return max(1, -(-self.rows // ROWS_AT_ONCE), -(-self.key_bytes // KEY_BYTES_AT_ONCE))


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

    :raises DataRejected: not a table, a column is missing, no row has a class as its label.
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
        unknown_labels += UnknownLabels.among(label)
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
    """The file's labels, split by a hash of their keys into as many shares as there are passes."""
    for number in range(passes):
        rows, found = 0, []
        for batch in _read(given, table):
            pairs = _pairs(batch, table, passes, number)
            rows += pairs.height
            found.append(_compact(pairs.unique()))
        yield _share(pl.concat(found), rows)


def _compact(pairs: pl.DataFrame) -> pl.DataFrame:
    """A copy of its own: a few of a batch's rows would hold the text of all of it."""
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
    """Batches with key and label.

    :raises DataRejected: not a table, or one of the two columns is missing.
    """
    source = read(given, Wanted(labels=(table.target,), classes=table.classes, text=(table.key,)))
    source.require([table.key, table.target])
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
    """Refuse a file of which too large a share cannot be used.

    :param conflicting: how many keys have several labels; `conflicts` shows some.
    :param most: `MAX_REJECT_SHARE`.
    :raises DataRejected: rows without a key, labels that are no class and such keys are more than that.
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
