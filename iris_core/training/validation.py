"""Validation of training tables: all the evidence first, then the verdict.

The whole file is streamed once, whatever is found on the way; then it passes with its evidence, or is
rejected with a sentence that names the worst findings and what to do about them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import polars as pl
from pydantic import BaseModel, ConfigDict

from iris_core.settings.project import Feature, TableSchema
from iris_core.tables import Batch, Repeats, batches, is_missing, labels, numbers, rejection
from iris_core.tables.findings import Check, Finding, shown, worst_first
from iris_core.tables.frames import missing_columns
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


def validate_training(chunks: Iterable[bytes], where: str, table: TableSchema) -> Evidence:
    """Check a training table: columns, numbers, ranges, classes, duplicates, size.

    :param chunks: the CSV in pieces of any size.
    :param where: the object's URI, for messages.
    :raises DataRejected: with the evidence; an unreadable CSV has only the finding that ended it.
    """
    survey = _survey(chunks, where, table)
    findings = [
        *missing_columns(survey.columns, [*table.feature_names, table.target]),
        *survey.findings(),
        *_size_findings(survey.rows, table.min_rows),
        *_class_findings(survey),
        *_duplicate_findings(survey),
    ]
    evidence = survey.evidence(worst_first(findings))
    if evidence.findings:
        raise rejection(where, evidence.findings, evidence.model_dump(mode="json"))
    return evidence


def _survey(chunks: Iterable[bytes], where: str, table: TableSchema) -> _Survey:
    survey = _Survey(table)
    for batch in batches(chunks, where):
        survey.add(batch)
    return survey


class _Survey:
    """Everything that is counted while a table passes by."""

    def __init__(self, table: TableSchema) -> None:
        self.table = table
        self.rows = 0
        self.columns: tuple[str, ...] = ()
        self.class_counts: Counter[str] = Counter(dict.fromkeys(table.classes, 0))
        self.repeats = Repeats()
        self._tallies: dict[tuple[Check, str], Tally] = {}

    @property
    def has_labels(self) -> bool:
        return self.table.target in self.columns

    def add(self, batch: Batch) -> None:
        """Take in the rows of one batch."""
        self.columns = tuple(batch.frame.columns)
        self.rows += batch.frame.height
        if not batch.frame.height:
            return
        self.repeats.add(batch.frame)
        self._add_features(batch)
        if self.has_labels:
            self._add_labels(batch)

    def _features(self) -> list[Feature]:
        return [feature for feature in self.table.features if feature.name in self.columns]

    def _add_features(self, batch: Batch) -> None:
        features = self._features()
        values = numbers(batch.frame, [feature.name for feature in features])
        for feature in features:
            self._add_feature(batch, feature, values[feature.name])

    def _add_feature(self, batch: Batch, feature: Feature, values: pl.Series) -> None:
        unit, plausible = feature.unit, _plausible(feature)
        if values.null_count():
            is_absent = is_missing(batch.frame[feature.name])
            number = f"a number in {unit}" if unit else "a number"
            self._tally("missing", feature.name, number, batch, is_absent)
            self._tally("not_a_number", feature.name, number, batch, values.is_null() & ~is_absent)
        is_implausible = (~values.is_between(feature.min, feature.max)).fill_null(False)
        if is_implausible.any():
            is_infinite = values.is_infinite().fill_null(False)
            self._tally("infinite", feature.name, plausible, batch, is_infinite)
            self._tally("out_of_range", feature.name, plausible, batch, is_implausible & ~is_infinite)

    def _add_labels(self, batch: Batch) -> None:
        target, classes = self.table.target, self.table.classes
        if self._count_classes(batch.frame[target]) == batch.frame.height:
            return
        found = labels(batch.frame, target)
        is_known = found.is_in(classes)
        self._count_classes(found.filter(is_known & (found != batch.frame[target])))
        is_absent = is_missing(found) & ~is_known
        expected = _one_of(classes)
        self._tally("missing_label", target, expected, batch, is_absent)
        self._tally("unknown_class", target, expected, batch, ~is_known & ~is_absent)

    def _count_classes(self, found: pl.Series) -> int:
        counts = {name: int((found == name).sum()) for name in self.table.classes}
        self.class_counts.update(counts)
        return sum(counts.values())

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


def _one_of(names: Sequence[str]) -> str:
    return f"{', '.join(shown(name) for name in names[:-1])} or {shown(names[-1])}"


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
