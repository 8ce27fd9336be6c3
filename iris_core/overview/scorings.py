"""The last scorings: rows, rejected rows, speed, the mix of predictions."""

from __future__ import annotations

from typing import Any

from iris_core.ledger import Outcome
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.overview.recent import Recent
from iris_core.overview.trace import Shown, Trace


class RejectedRows(Shown):
    """Rejected rows of one kind of fault, in one column; `column` is empty for a fault of the whole row."""

    check: str
    column: str
    rows: int


class ScoredTable(Shown):
    """A table that was scored. `accuracy` is that of its labelled rows, None without any.

    `rows` were scored, `rejected` could not be. `seconds` is what its shards took together, None in records
    from before it was kept. `classes` counts the predictions.
    """

    trace: Trace
    version: int
    rows: int
    rejected: int
    faults: tuple[RejectedRows, ...]
    classes: dict[str, int]
    accuracy: float | None
    seconds: float | None
    predictions: str
    rejects: str
    manifest: str

    @property
    def rows_per_second(self) -> float | None:
        """Rows per second of one worker; None where no time was kept."""
        return (self.rows + self.rejected) / self.seconds if self.seconds else None


def scored_tables(recent: Recent) -> list[ScoredTable]:
    """The last scorings, newest first."""
    return [_table(record) for record in recent.of(ScoredRecord, {Outcome.SCORED})]


def _table(record: ScoredRecord) -> ScoredTable:
    found, made = record.evidence, record.outputs
    return ScoredTable(
        trace=Trace.of(record),
        version=record.model.version,
        rows=found.rows,
        rejected=found.rejected,
        faults=tuple(_fault(each) for each in found.faults),
        classes=found.classes,
        accuracy=found.accuracy,
        seconds=found.seconds,
        predictions=made.predictions.uri,
        rejects=made.rejects.uri if made.rejects else "",
        manifest=made.manifest.uri if made.manifest else "",
    )


def _fault(found: dict[str, Any]) -> RejectedRows:
    return RejectedRows(
        check=str(found.get("check", "")),
        column=str(found.get("column") or ""),
        rows=int(found.get("count", 0)),
    )
