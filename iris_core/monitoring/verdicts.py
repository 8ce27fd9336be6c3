"""Reads drift verdicts from the ledger, in order, and counts N of M for each.

Batches are ordered by the time at which they landed, not by the time of their verdict: reports are made in
parallel and late, and every reader must find the same alerts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import groupby, islice
from typing import NamedTuple, Protocol

from iris_core.drift.debounce import Debounced, counted, debounced
from iris_core.drift.known import Earlier
from iris_core.drift.statistics import FeatureStatistics
from iris_core.drift.thresholds import SEVERITIES, Severity, rank
from iris_core.ledger import Identity, Ledger
from iris_core.ledger.records.drift import BatchDriftRecord, DriftRecord
from iris_core.ledger.workspace import Workspace
from iris_core.settings.variables import Settings
from iris_core.store.versions import ObjectVersion

LOOKED_THROUGH = 200
"""Most verdicts of a series that are read before the ones asked about; a longer window of N of M is cut."""

MOST_NAMES = 5_000
"""Most names in the journal that are looked at to find them: so a series with few verdicts among many others
does not need a walk through the whole past."""

Order = tuple[datetime, str]


class Series(NamedTuple):
    """Verdicts that N of M counts together: on one model's batches, or on its performance."""

    model: str
    about_performance: bool


def series_of(identity: Identity) -> Series:
    """The series that a verdict belongs to."""
    return Series(identity.model_variant, identity.is_about_performance)


def order_of(current: ObjectVersion, identity: Identity) -> Order:
    """A batch's sort key: the time at which it landed, then its record's path."""
    return current.landed_at, identity.path


def near(ledger: Ledger, asked: Collection[Identity]) -> list[DriftRecord]:
    """The verdicts asked about and those that N of M counts with them, in their batches' order, oldest first.

    These are the verdicts of the same series that were recorded since the oldest one asked about, and up to
    `LOOKED_THROUGH` of each series before it.
    """
    left, series = set(asked), {series_of(identity) for identity in asked}
    entries = ledger.journal("drift")
    found: list[Identity] = []
    while left and (entry := next(entries, None)):
        left.discard(entry.identity)
        if series_of(entry.identity) in series:
            found.append(entry.identity)
    room = dict.fromkeys(series, LOOKED_THROUGH)
    for entry in islice(entries, MOST_NAMES):
        if not any(room.values()):
            break
        if room.get(series_of(entry.identity)):
            room[series_of(entry.identity)] -= 1
            found.append(entry.identity)
    return _read(ledger, found)


def newest(ledger: Ledger, series: Series) -> list[DriftRecord]:
    """The newest `LOOKED_THROUGH` verdicts of a series, in their batches' order, oldest first."""
    entries = islice(ledger.journal("drift"), MOST_NAMES)
    mine = (entry.identity for entry in entries if series_of(entry.identity) == series)
    return _read(ledger, islice(mine, LOOKED_THROUGH))


def _read(ledger: Ledger, identities: Iterable[Identity]) -> list[DriftRecord]:
    """Read verdicts, in their batches' order; skip those without a model and repeated identities."""
    found = map(ledger.get, dict.fromkeys(identities))
    return sorted((r for r in found if isinstance(r, DriftRecord) and r.model), key=_order)


def _order(record: DriftRecord) -> Order:
    return order_of(record.about, record.identity)


def _series(record: DriftRecord) -> Series:
    return series_of(record.identity)


class DriftOrPerformance(Protocol):
    """A verdict on a batch or on performance."""

    @property
    def severity(self) -> Severity: ...

    @property
    def chance(self) -> float: ...


def counted_severity(settings: Settings, record: DriftRecord) -> Severity:
    """The severity with which N of M counts a drift record; a record without a chance counts unchanged."""
    return counted(record.outcome, record.evidence.chance, settings.drift_violations)


def violating(settings: Settings) -> tuple[Severity, ...]:
    """The severities at which a verdict may alert."""
    return SEVERITIES[rank(settings.drift_alert_severity) :]


def debounced_severity(settings: Settings, severities: Sequence[Severity]) -> Debounced:
    """The result of N of M by `DRIFT_WINDOW`, `DRIFT_VIOLATIONS` and `DRIFT_ALERT_SEVERITY`."""
    return debounced(
        severities, settings.drift_window, settings.drift_violations, settings.drift_alert_severity
    )


def _before(workspace: Workspace, identity: Identity, current: ObjectVersion) -> list[DriftRecord]:
    """Verdicts of the same series on objects that landed before, oldest first."""
    order = order_of(current, identity)
    return [r for r in newest(workspace.ledger, series_of(identity)) if _order(r) < order]


def earlier(workspace: Workspace, identity: Identity, current: ObjectVersion) -> list[Earlier]:
    """Batches of the same model that landed before and whose verdicts hold scores; oldest first.

    :param identity: the identity of the verdict on a batch of the model.
    :param current: the batch.
    """
    return [
        Earlier(
            {name: FeatureStatistics.model_validate(one) for name, one in record.evidence.scores.items()},
            is_judged=record.outcome != "insufficient",
            spread=record.evidence.spread,
        )
        for record in _before(workspace, identity, current)
        if isinstance(record.evidence, BatchDriftRecord.Evidence) and record.evidence.scores
    ]


def with_debounce(settings: Settings, records: Iterable[DriftRecord]) -> list[tuple[DriftRecord, Debounced]]:
    """Verdicts in their batches' order, each with the result of N of M for it and those before it."""
    told: list[tuple[DriftRecord, Debounced]] = []
    ordered = sorted(records, key=lambda record: (_series(record), _order(record)))
    for _, group in groupby(ordered, key=_series):
        mine = list(group)
        severities = [counted_severity(settings, record) for record in mine]
        told += [
            (record, debounced_severity(settings, severities[: place + 1]))
            for place, record in enumerate(mine)
        ]
    return sorted(told, key=lambda item: _order(item[0]))


def debounced_now(
    workspace: Workspace, identity: Identity, current: ObjectVersion, verdict: DriftOrPerformance
) -> Debounced:
    """The result of N of M for a verdict that is not recorded yet, by it and the recorded ones.

    :param identity: the identity that its record will have.
    :param current: the object that is judged.
    :param verdict: the verdict.
    """
    settings = workspace.settings
    before = [counted_severity(settings, each) for each in _before(workspace, identity, current)]
    newest = counted(verdict.severity, verdict.chance, settings.drift_violations)
    return debounced_severity(settings, [*before, newest])
