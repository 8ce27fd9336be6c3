"""One side of a comparison, read once: exact statistics over all rows, and a bounded sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import polars as pl

from iris_core.drift.evidently_report import EvidentlyReport, report_or_reason
from iris_core.drift.known import Known
from iris_core.drift.sample import bounded_sample
from iris_core.drift.statistics import TableStatistics, merge_tables, of_batches, of_frame
from iris_core.drift.verdict import DriftVerdict, judge, with_page
from iris_core.settings.project import TableSchema
from iris_core.tables import Batch, Finding, Input, Wanted, is_missing, read, rejection
from iris_core.tables.findings import shown
from iris_core.tables.kinds import expected

PREDICTION = "prediction"
SAMPLE_ROWS = 50_000
SEED = 7


@dataclass(frozen=True)
class Side:
    """Exact statistics of every row, and at most `SAMPLE_ROWS` rows with what else the report needs."""

    statistics: TableStatistics
    sample: pl.DataFrame


def read_side(given: Input, table: TableSchema, keep: Callable[[pl.DataFrame], object] | None = None) -> Side:
    """Read a table once, in bounded memory.

    :param given: the table.
    :param table: names the features and classes.
    :param keep: is called with every frame of features and classes, for callers that need more than a sample.
    :raises DataRejected: not a table, a feature's column is missing or holds text.
    """
    reading = _Reading(given.where, table, of_batches((), table.feature_names, table.coded), keep)
    sample = bounded_sample(reading.frames(given), SAMPLE_ROWS, SEED)
    reading.check_numbers()
    return Side(reading.statistics, sample)


@dataclass
class _Reading:
    """A table that is being read: statistics so far, and the first text found in place of a number."""

    where: str
    table: TableSchema
    statistics: TableStatistics
    keep: Callable[[pl.DataFrame], object] | None = None
    text: dict[str, str] = field(default_factory=dict)

    def frames(self, given: Input) -> Iterator[pl.DataFrame]:
        """Features as numbers, and the columns that hold classes as text."""
        names = self.table.feature_names
        labels = (self.table.target, PREDICTION)
        wanted = Wanted(names, labels, self.table.classes, required=names, kinds=self.table.kinds)
        source = read(given, wanted)
        for frame, statistics, text in source.each(self._measured):
            self.statistics = merge_tables(self.statistics, statistics)
            self.text = {**text, **self.text}
            if self.keep:
                self.keep(frame)
            yield frame

    def _measured(self, batch: Batch) -> tuple[pl.DataFrame, TableStatistics, dict[str, str]]:
        # A prediction is another class where its model had one; a label that is no class is no answer.
        labels = [
            (found.text() if name == PREDICTION else found.known.cast(pl.String)).alias(name)
            for name, found in batch.labels.items()
        ]
        statistics = of_frame(batch.features, self.table.feature_names, self.table.coded)
        return batch.features.hstack(labels), statistics, {} if batch.is_plain else _text_of(batch)

    def check_numbers(self) -> None:
        """Refuse a table in which a feature holds text and no number in any row."""
        kinds = self.table.kinds
        findings = [
            Finding(
                check="not_a_number",
                column=name,
                count=self.statistics[name].rows,
                found=f"text ({shown(cell)}) and no number",
                expected=expected(kinds[name]) if name in kinds else "numbers",
            )
            for name, cell in self.text.items()
            if not self.statistics[name].count
        ]
        if findings:
            raise rejection(self.where, findings)


def _text_of(batch: Batch) -> dict[str, str]:
    """The first text in features of which no cell of the batch is a number."""
    found: dict[str, str] = {}
    for name in batch.features.columns:
        if len(batch) and batch.features[name].null_count() == len(batch):
            cells = batch.as_text(name)
            if not (text := cells.filter(~is_missing(cells))).is_empty():
                found[name] = text[0]
    return found


def judged(reference: Side, current: Side, table: TableSchema, known: Known | None = None) -> DriftVerdict:
    """Judge two sides, without Evidently's report; the parameters are those of `compare`."""
    units = {feature.name: feature.unit for feature in table.features}
    return judge(reference, current, replace(known or Known(), units=units, label=table.target))


def compare(
    reference: Side, current: Side, table: TableSchema, known: Known | None = None
) -> tuple[DriftVerdict, EvidentlyReport]:
    """Judge two sides, and make Evidently's report. Compares predictions if both sides have them.

    :param reference: the training data.
    :param current: the batch.
    :param table: names features, units and target.
    :param known: what else is known; its units and label are the table's.
    :raises DataRejected: the tables cannot be compared.
    """
    verdict = judged(reference, current, table, known)
    report = report_or_reason(
        reference.sample,
        current.sample,
        table.feature_names,
        prediction=PREDICTION if _both_have(reference, current, PREDICTION) else None,
        label=table.target if _both_have(reference, current, table.target) else None,
        codes=table.coded,
        seed=SEED,
    )
    return with_page(verdict, report), report


def _both_have(reference: Side, current: Side, name: str) -> bool:
    return name in reference.sample.columns and name in current.sample.columns
