"""Accuracy on late labels, for each file of labels and model version."""

from __future__ import annotations

from iris_core.ledger import Outcome
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.overview.recent import Recent
from iris_core.overview.trace import Shown, Trace


class LabelPoint(Shown):
    """A model version's accuracy on the rows that a file of labels could be joined to.

    `unmatched` labels have a key that no prediction has.
    """

    trace: Trace
    version: int
    joined: int
    accuracy: float
    recalls: dict[str, float | None]
    unmatched: int


def label_points(recent: Recent) -> list[LabelPoint]:
    """The last measurements on late labels, newest first; of one file, the newest version first."""
    return [
        LabelPoint(
            trace=Trace.of(record),
            version=found.model.version,
            joined=found.joined,
            accuracy=found.accuracy,
            recalls={name: one.recall for name, one in found.per_class.items()},
            unmatched=record.evidence.unmatched,
        )
        for record in recent.of(MeasuredRecord, {Outcome.MEASURED})
        for found in sorted(record.evidence.models.values(), key=lambda one: -one.model.version)
    ]
