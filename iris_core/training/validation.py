"""Validation of training tables: all the evidence first, then the verdict.

The whole file is streamed once, whatever is found on the way; then it passes with its evidence, or is
rejected with a sentence that names the worst findings and what to do about them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import polars as pl
from pydantic import BaseModel, ConfigDict

from iris_core.settings.project import Feature, TableSchema
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
from iris_core.tables.tallies import Tally

LEAST_ROWS_PER_CLASS = 5
"""Fewer cannot be split into a stratified training part and holdout."""
MOST_REPEATED = 0.5
"""Share of rows; Iris itself repeats a few."""
VALUES_NAMED = 5


class Evidence(BaseModel):
    """What was seen in a whole table; `findings` are what rejects it, worst first.

    `extra_columns` are read and dropped. `class_counts` has every class of the schema, `out_of_range`
    every feature found; both count rows. `duplicates` are rows that equal an earlier one in all columns:
    an estimate unless `duplicates_exact` (`Repeats`). `has_labels`: the target's column is there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    columns: tuple[str, ...]
    extra_columns: tuple[str, ...]
    has_labels: bool
    class_counts: dict[str, int]
    duplicates: int
    duplicates_exact: bool
    out_of_range: dict[str, int]
    findings: tuple[Finding, ...]


def validate_training(given: Input, table: TableSchema) -> Evidence:
    """Check a training table: columns, numbers, ranges, classes, duplicates, size.

    :raises DataRejected: with the evidence; an unreadable table has only the finding that ended it.
    """
    survey = _Survey(
        table, read(given, Wanted(table.feature_names, (table.target,), table.classes, has_rest=True))
    )
    for batch in survey.source.batches():
        survey.add(batch)
    findings = [
        *missing_columns(survey.columns, [*table.feature_names, table.target]),
        *survey.findings(),
        *_size_findings(survey.rows, table.min_rows),
        *_class_findings(survey),
        *_duplicate_findings(survey),
    ]
    evidence = survey.evidence(worst_first(findings))
    if evidence.findings:
        raise rejection(given.where, evidence.findings, evidence.model_dump(mode="json"))
    return evidence


class _Survey:
    """Everything that is counted while a table passes by."""

    def __init__(self, table: TableSchema, source: Table) -> None:
        self.table = table
        self.source = source
        self.rows = 0
        self.class_counts: Counter[str] = Counter(dict.fromkeys(table.classes, 0))
        self.repeats = Repeats()
        self._has_nameless_values = False
        self._tallies: dict[tuple[Check, str], Tally] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """All but a nameless one without values, which is no column."""
        return tuple(name for name in self.source.columns if name or self._has_nameless_values)

    @property
    def has_labels(self) -> bool:
        return self.table.target in self.source.columns

    def add(self, batch: Batch) -> None:
        """Take in the rows of one batch."""
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
        unit, plausible = feature.unit, _plausible(feature)
        if values.null_count():
            is_absent = is_missing(batch.as_text(feature.name))
            number = f"a number in {unit}" if unit else "a number"
            self._tally("missing", feature.name, number, batch, is_absent)
            self._tally("not_a_number", feature.name, number, batch, values.is_null() & ~is_absent)
        is_implausible = (~values.is_between(feature.min, feature.max)).fill_null(False)
        if is_implausible.any():
            is_infinite = values.is_infinite().fill_null(False)
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

    def count(self, check: Check, column: str) -> int:
        """Rows that a check has found in a column."""
        tally = self._tallies.get((check, column))
        return tally.count if tally else 0

    def findings(self) -> list[Finding]:
        """What was found in the rows."""
        return [tally.finding(self.table.classes) for tally in self._tallies.values()]

    def evidence(self, findings: tuple[Finding, ...]) -> Evidence:
        """The survey's result, with what was judged of it."""
        known = {*self.table.feature_names, self.table.target}
        return Evidence(
            rows=self.rows,
            columns=self.columns,
            extra_columns=tuple(name for name in self.columns if name not in known),
            has_labels=self.has_labels,
            class_counts=dict(self.class_counts),
            duplicates=self.repeats.total,
            duplicates_exact=self.repeats.is_exact,
            out_of_range={one.name: self.count("out_of_range", one.name) for one in self._features()},
            findings=findings,
        )


def _plausible(feature: Feature) -> str:
    return f"{feature.min:g} to {feature.max:g} {feature.unit}".rstrip()


def _size_findings(rows: int, least: int) -> Iterator[Finding]:
    if rows >= least:
        return
    check: Check = "too_few_rows" if rows else "no_rows"
    found = f"only {rows} row{'' if rows == 1 else 's'}" if rows else "a header that has no rows below it"
    yield Finding(check=check, count=rows, found=found, expected=f"at least {least}")


def _class_findings(survey: _Survey) -> Iterator[Finding]:
    """Nothing while labels are unknown or rows too few anyway: the counts would mislead."""
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


def _duplicate_findings(survey: _Survey) -> Iterator[Finding]:
    repeated = survey.repeats.total
    if repeated > MOST_REPEATED * survey.rows:
        about = "" if survey.repeats.is_exact else "about "
        yield Finding(
            check="duplicates",
            count=repeated,
            found=f"{about}{repeated} of {survey.rows} rows that repeat an earlier row in every column",
            expected=f"at most {MOST_REPEATED:.0%}",
        )
