"""Validates training tables: first all the evidence, then the verdict.

The whole file is streamed once, whatever is found on the way. Then it passes with its evidence, or is
rejected with a message that names the worst findings and what to do about them.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

import polars as pl
from pydantic import BaseModel, ConfigDict

from iris_core.settings.features import Feature
from iris_core.settings.project import TableSchema
from iris_core.tables import (
    Batch,
    Input,
    Repeats,
    Table,
    Wanted,
    is_missing,
    missing_columns,
    read,
    rejection,
)
from iris_core.tables.findings import Check, Finding, one_of, shown, worst_first
from iris_core.tables.kinds import expected, faults
from iris_core.tables.levels import with_learnt_levels
from iris_core.tables.tallies import Tally

log = logging.getLogger(__name__)

LEAST_ROWS_PER_CLASS = 5
"""Fewer rows of a class cannot be split into a stratified training part and holdout."""
MOST_MB = 1024
MOST_REPEATED = 0.5
"""The tolerated share of repeated rows; Iris itself repeats a few."""
FEW_VALUES = 20
"""A feature with at most so many values is discrete: an answer on a scale, a grade, a count of rooms."""
CELL_BYTES, ROW_BYTES = 32, 144
"""Memory that fitting takes for each feature of a row, and for each row; measured with 1,000,000 rows."""
COLUMNS_NAMED = 100
LONGEST_NAME = 100
"""Most characters of a column's name in the evidence, which becomes a part of a record."""


class Evidence(BaseModel):
    """What a whole table contains.

    :param columns: the first `COLUMNS_NAMED` names, cut where they are long.
    :param column_count: the number of all columns.
    :param extra_columns: columns that are read and dropped; listed as `columns` are.
    :param has_labels: whether the target's column is there.
    :param class_counts: rows of every class of the schema.
    :param duplicates: rows that equal an earlier one in all columns; an estimate unless `duplicates_exact`.
    :param discrete: whether the features have so few values that rows cannot but repeat.
    :param out_of_range: rows outside the plausible range, for every feature in the table.
    :param findings: the reasons to reject the table, worst first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    columns: tuple[str, ...]
    column_count: int
    extra_columns: tuple[str, ...]
    has_labels: bool
    class_counts: dict[str, int]
    duplicates: int
    duplicates_exact: bool
    discrete: bool
    out_of_range: dict[str, int]
    findings: tuple[Finding, ...]


def validate_training(
    given: Input, table: TableSchema, most_repeated: float = MOST_REPEATED, most_mb: int = MOST_MB
) -> Evidence:
    """Check a training table: columns, numbers, ranges, classes, duplicates, size.

    :param given: the table's bytes.
    :param table: the schema of the table.
    :param most_repeated: the tolerated share of repeated rows (`MAX_REPEAT_SHARE`); in a table of few values
        a larger share is logged, not refused.
    :param most_mb: most MiB of memory that training may take (`MAX_TRAIN_MB`).
    :raises DataRejected: the table is refused; the error has the evidence. An unreadable table has only the
        finding that ended the reading.
    """
    table = with_learnt_levels(given, table)
    survey = _Survey(
        table,
        read(
            given,
            Wanted(table.feature_names, (table.target,), table.classes, has_rest=True, kinds=table.kinds),
        ),
    )
    for batch in survey.source.batches():
        survey.add(batch)
    findings = [
        *missing_columns(survey.columns, [*table.feature_names, table.target]),
        *survey.findings(),
        *_size_findings(survey.rows, table.min_rows),
        *_memory_findings(survey.rows, len(table.features), most_mb),
        *_class_findings(survey),
        *_duplicate_findings(survey, most_repeated),
    ]
    evidence = survey.evidence(worst_first(findings), most_repeated)
    if evidence.findings:
        raise rejection(given.where, evidence.findings, evidence.model_dump(mode="json"))
    return evidence


class _Survey:
    """Counts of a table, while its batches are read."""

    def __init__(self, table: TableSchema, source: Table) -> None:
        self.table = table
        self.source = source
        self.rows = 0
        self.class_counts: Counter[str] = Counter(dict.fromkeys(table.classes, 0))
        self.repeats = Repeats()
        self._values: dict[str, pl.Series] = {}
        self._has_nameless_values = False
        self._tallies: dict[tuple[Check, str], Tally] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns; a nameless one without values is no column."""
        return tuple(name for name in self.source.columns if name or self._has_nameless_values)

    @property
    def has_labels(self) -> bool:
        return self.table.target in self.source.columns

    def add(self, batch: Batch) -> None:
        """Count the rows of one batch."""
        self.rows += len(batch)
        if not len(batch):
            return
        labels = [found.text().alias(name) for name, found in batch.labels.items()]
        self.repeats.add(pl.DataFrame([*batch.features, *batch.text, *labels]))
        if "" in batch.text.columns:
            self._has_nameless_values |= not is_missing(batch.text[""]).all()
        for feature in self._features():
            self._add_feature(batch, feature, batch.features[feature.name])
        if self.has_labels:
            self._add_labels(batch)

    def _features(self) -> list[Feature]:
        return [feature for feature in self.table.features if feature.name in self.source.columns]

    def _add_feature(self, batch: Batch, feature: Feature, values: pl.Series) -> None:
        known = self._values.get(feature.name, values.clear())
        if len(known) <= FEW_VALUES:
            self._values[feature.name] = pl.concat([known, values.unique()]).unique().head(FEW_VALUES + 1)
        if values.null_count():
            for check, mask in faults(batch.as_text(feature.name), values, feature):
                if check != "infinite":
                    self._tally(check, feature.name, expected(feature), batch, mask)
        if feature.is_number:
            self._add_range(batch, feature, values.fill_nan(None))

    def _add_range(self, batch: Batch, feature: Feature, values: pl.Series) -> None:
        is_implausible = (~values.is_between(feature.min, feature.max)).fill_null(False)
        if is_implausible.any():
            plausible, is_infinite = _plausible(feature), values.is_infinite().fill_null(False)
            self._tally("infinite", feature.name, plausible, batch, is_infinite)
            self._tally("out_of_range", feature.name, plausible, batch, is_implausible & ~is_infinite)

    def _add_labels(self, batch: Batch) -> None:
        target, found, expected = (
            self.table.target,
            batch.labels[self.table.target],
            one_of(self.table.classes),
        )
        self.class_counts.update(dict(found.known.drop_nulls().value_counts().iter_rows()))
        if found.known.null_count():
            is_unknown = found.unknown.is_not_null()
            self._tally("missing_label", target, expected, batch, found.known.is_null() & ~is_unknown)
            self._tally("unknown_class", target, expected, batch, is_unknown)

    def _tally(self, check: Check, column: str, expected: str, batch: Batch, mask: pl.Series) -> None:
        if mask.any():
            self._tallies.setdefault((check, column), Tally(check, column, expected)).add(batch, mask)

    def is_discrete(self, most_repeated: float) -> bool:
        """Whether the features have so few values that rows cannot but repeat.

        Either there are not enough combinations of values and classes to fill more of the table, or each
        feature has few values while distinct rows are many more: a copied table has about as many of both.
        """
        values = [len(self._values.get(name, ())) for name in self.table.feature_names]
        combinations = math.prod(values) * len(self.table.classes)
        if max(values) > FEW_VALUES:
            return False
        return combinations <= (1 - most_repeated) * self.rows or self.repeats.distinct >= 2 * max(values)

    def count(self, check: Check, column: str) -> int:
        """Rows that a check has found in a column."""
        tally = self._tallies.get((check, column))
        return tally.count if tally else 0

    def findings(self) -> list[Finding]:
        """What was found in the rows."""
        levels = {each.name: each.levels for each in self.table.features}
        return [
            tally.finding(levels.get(name, self.table.classes)) for (_, name), tally in self._tallies.items()
        ]

    def evidence(self, findings: tuple[Finding, ...], most_repeated: float) -> Evidence:
        """The evidence of the counts and of these findings."""
        known = {*self.table.feature_names, self.table.target}
        return Evidence(
            rows=self.rows,
            columns=_named(self.columns),
            column_count=len(self.columns),
            extra_columns=_named(name for name in self.columns if name not in known),
            has_labels=self.has_labels,
            class_counts=dict(self.class_counts),
            duplicates=self.repeats.total,
            duplicates_exact=self.repeats.is_exact,
            discrete=self.is_discrete(most_repeated),
            out_of_range={one.name: self.count("out_of_range", one.name) for one in self._features()},
            findings=findings,
        )


def _named(columns: Iterable[str]) -> tuple[str, ...]:
    """The names that fit into a record."""
    return tuple(
        name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        for name in islice(columns, COLUMNS_NAMED)
    )


def _plausible(feature: Feature) -> str:
    return f"{feature.min:g} to {feature.max:g} {feature.unit}".rstrip()


def _size_findings(rows: int, least: int) -> Iterator[Finding]:
    if rows >= least:
        return
    check: Check = "too_few_rows" if rows else "no_rows"
    found = f"only {rows} row{'' if rows == 1 else 's'}" if rows else "a header that has no rows below it"
    yield Finding(check=check, count=rows, found=found, expected=f"at least {least}")


def _memory_findings(rows: int, features: int, most_mb: int) -> Iterator[Finding]:
    """Too many rows for the memory: training, unlike all other steps, holds the whole table."""
    each = CELL_BYTES * features + ROW_BYTES
    if rows * each <= most_mb << 20:
        return
    found = f"{rows:,} rows, which training needs about {rows * each >> 20:,} MB for"
    expected = f"at most {most_mb:,} MB (MAX_TRAIN_MB): about {(most_mb << 20) // each:,} rows"
    yield Finding(check="too_many_rows", count=rows, found=found, expected=expected)


def _class_findings(survey: _Survey) -> Iterator[Finding]:
    """Classes with too few rows; none while labels are unknown or rows too few: the counts would mislead."""
    target, is_short = survey.table.target, survey.rows < survey.table.min_rows
    if is_short or not survey.has_labels or survey.count("unknown_class", target):
        return
    for name, count in survey.class_counts.items():
        if count < LEAST_ROWS_PER_CLASS:
            yield Finding(
                check="small_class" if count else "absent_class",
                column=target,
                count=count,
                found=f"{count or 'no'} row{'' if count == 1 else 's'} of {shown(name)}",
                expected=f"at least {LEAST_ROWS_PER_CLASS} of each class",
            )


def _duplicate_findings(survey: _Survey, most: float) -> Iterator[Finding]:
    """Too many repeated rows; in a table that cannot but repeat they are only logged."""
    repeated = survey.repeats.total
    if repeated <= most * survey.rows:
        return
    about = "" if survey.repeats.is_exact else "about "
    found = f"{about}{repeated} of {survey.rows} rows that repeat an earlier row in every column"
    if survey.is_discrete(most):
        log.warning("%s: %s; its features have few values, so that rows repeat", survey.source.where, found)
        return
    expected = f"at most {most:.0%} (MAX_REPEAT_SHARE)"
    yield Finding(check="duplicates", count=repeated, found=found, expected=expected)
