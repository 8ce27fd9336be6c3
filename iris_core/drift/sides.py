"""One side of a comparison, read once: exact statistics over all rows, and a bounded sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from iris_core.drift.evidently_report import EvidentlyReport, report_or_reason
from iris_core.drift.known import Known
from iris_core.drift.sample import bounded_sample
from iris_core.drift.statistics import TableStatistics, merge_tables, of_batches, of_frame
from iris_core.drift.verdict import DriftVerdict, judge, with_page
from iris_core.errors import DataRejected
from iris_core.settings.project import TableSchema
from iris_core.tables import Finding, is_missing, rejection
from iris_core.tables.findings import shown
from iris_core.tables.numeric import numeric_batches

PREDICTION = "prediction"
SAMPLE_ROWS = 50_000
SEED = 7
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Side:
    """Exact statistics of every row, and at most `SAMPLE_ROWS` rows with what else the report needs."""

    statistics: TableStatistics
    sample: pl.DataFrame

    def predicted_by(self, model: Any, table: TableSchema) -> Side:
        """The same side with the model's predictions of the sample."""
        features = self.sample.select(table.feature_names)
        known = features.select(pl.all_horizontal(pl.all().is_finite().fill_null(False))).to_series()
        predicted = pl.Series(PREDICTION, [None] * features.height, dtype=pl.String)
        if known.any():
            found = pl.Series(model.predict(features.filter(known).to_pandas()), dtype=pl.String)
            predicted = predicted.scatter(known.arg_true(), found)
        return replace(self, sample=self.sample.with_columns(predicted))


def read_side(chunks: Iterable[bytes], where: str, table: TableSchema) -> Side:
    """Read a CSV once, in bounded memory.

    :param where: the table's URI or path, for messages.
    :raises DataRejected: not a CSV, a feature's column is missing or holds text.
    """
    reading = _Reading(where, table, of_batches((), table.feature_names))
    sample = bounded_sample(reading.frames(chunks), SAMPLE_ROWS, SEED)
    reading.check_numbers()
    return Side(reading.statistics, sample)


@dataclass
class _Reading:
    """A table while it passes: statistics so far, and the first text found in place of a number."""

    where: str
    table: TableSchema
    statistics: TableStatistics
    text: dict[str, str] = field(default_factory=dict)

    def frames(self, chunks: Iterable[bytes]) -> Iterator[pl.DataFrame]:
        """Features as numbers, and the columns that hold classes as text."""
        names, carried = self.table.feature_names, (self.table.target, PREDICTION)
        for frame, found in numeric_batches(
            chunks, self.where, names, carried, lambda frame: of_frame(frame, names), self._note_text
        ):
            self.statistics = merge_tables(self.statistics, found)
            yield frame

    def _note_text(self, cells: pl.DataFrame, values: pl.DataFrame) -> None:
        for name in self.table.feature_names:
            if values.height and values[name].null_count() == values.height and name not in self.text:
                found = cells[name].filter(~is_missing(cells[name])).head(1).to_list()
                self.text |= dict.fromkeys([name] if found else [], found[0] if found else "")

    def check_numbers(self) -> None:
        """Refuse a table of which a feature holds text, and no number in any row."""
        findings = [
            Finding(
                check="not_a_number",
                column=name,
                count=self.statistics[name].rows,
                found=f"text ({shown(cell)}) and no number",
                expected="numbers",
            )
            for name, cell in self.text.items()
            if not self.statistics[name].count
        ]
        if findings:
            raise rejection(self.where, findings)


def judged(
    reference: Side, current: Side, table: TableSchema, known: Known | None = None
) -> tuple[DriftVerdict, EvidentlyReport]:
    """The verdict about two sides, and Evidently's report beside it.

    Predictions are compared where both sides have them.

    :param known: what else is known; its units and label are the table's.
    :raises DataRejected: the tables cannot be compared.
    """
    units = {feature.name: feature.unit for feature in table.features}
    verdict = judge(reference, current, replace(known or Known(), units=units, label=table.target))
    report = report_or_reason(
        reference.sample,
        current.sample,
        table.feature_names,
        prediction=PREDICTION if _both_have(reference, current, PREDICTION) else None,
        label=table.target if _both_have(reference, current, table.target) else None,
        sample_rows=SAMPLE_ROWS,
        seed=SEED,
    )
    return with_page(verdict, report), report


def _both_have(reference: Side, current: Side, name: str) -> bool:
    return name in reference.sample.columns and name in current.sample.columns


def file_chunks(path: Path) -> Iterator[bytes]:
    """A local file in pieces.

    :raises DataRejected: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                yield piece
    except OSError as error:
        raise DataRejected(
            f"{path} cannot be read: {error.strerror}. Name a CSV file or s3://bucket/key."
        ) from error
