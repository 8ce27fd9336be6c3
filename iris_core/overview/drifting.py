"""Drift over time: severities, each feature's statistics with reference and limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from iris_core.drift.thresholds import SEVERITIES, Severity, rank
from iris_core.ledger.records.drift import BatchDriftRecord, PerformanceDriftRecord
from iris_core.overview.recent import Recent
from iris_core.overview.trace import Shown, Trace


class DriftPoint(Shown):
    """A drift verdict: on a scored batch, or on a model's performance on late labels.

    `counted` are the recent batches that count towards an alert, of `window`; `needed` make one. `report`,
    `statistics` are addresses, empty without a report. `whole` names what drifted besides single features.
    """

    trace: Trace
    severity: Severity
    is_about_performance: bool
    version: int | None
    columns: tuple[str, ...]
    whole: tuple[str, ...] = ()
    alert: bool = False
    counted: int = 0
    needed: int = 0
    window: int = 0
    report: str = ""
    statistics: str = ""


class FeaturePoint(Shown):
    """A feature in one batch. `value` is the mean of a number, or the share of a category's `level`.

    Beyond `low` and `high` the verdict on the feature's mean, or level, is medium or worse; both are None
    where too few rows were judged.
    """

    record: str
    value: float
    reference: float
    low: float | None
    high: float | None
    severity: Severity


class FeatureSeries(Shown):
    """A feature over the last batches, oldest first. `was` and `now` are the newest batch's statistics.

    `level` is the category's level that is followed: the one that moved most in the newest batch.
    """

    name: str
    unit: str
    level: str
    severity: Severity
    note: str
    points: tuple[FeaturePoint, ...]
    was: dict[str, float | None]
    now: dict[str, float | None]


def drift_points(recent: Recent) -> tuple[list[DriftPoint], list[BatchDriftRecord]]:
    """The last verdicts, newest first; and the records of those on batches."""
    records = list(recent.read(recent.entries("drift", SEVERITIES)))
    points = [_point(one) for one in records if isinstance(one, BatchDriftRecord | PerformanceDriftRecord)]
    return points, [one for one in records if isinstance(one, BatchDriftRecord)]


def feature_series(records: Sequence[BatchDriftRecord], units: Mapping[str, str]) -> list[FeatureSeries]:
    """The features of the newest batch, the worst first; only of batches of the same model.

    :param records: verdicts on batches, newest first.
    :param units: the units of the features that have one.
    """
    judged = [one for one in records if isinstance(one.evidence, BatchDriftRecord.Evidence)]
    if not judged:
        return []
    newest = judged[0]
    alike = [one for one in judged if one.model == newest.model][::-1]
    found = [_series(name, alike, units.get(name, "")) for name in _evidence(newest).reference]
    return sorted(found, key=lambda one: -rank(one.severity))


def _point(record: BatchDriftRecord | PerformanceDriftRecord) -> DriftPoint:
    found, is_batch = record.evidence, isinstance(record, BatchDriftRecord)
    debounce = getattr(found, "debounce", None)
    return DriftPoint(
        trace=Trace.of(record),
        severity=record.outcome,
        is_about_performance=not is_batch,
        version=record.model.version if record.model else None,
        columns=found.columns,
        whole=tuple(_whole(record)) if isinstance(record, BatchDriftRecord) else (),
        alert=debounce.alert if debounce else False,
        counted=debounce.violations if debounce else 0,
        needed=debounce.needed if debounce else 0,
        window=debounce.window if debounce else 0,
        report=record.report,
        statistics=record.outputs.statistics if isinstance(record, BatchDriftRecord) else "",
    )


def _whole(record: BatchDriftRecord) -> Iterator[str]:
    if isinstance(record.evidence, BatchDriftRecord.Evidence):
        yield from (str(one["column"]) for one in record.evidence.whole if one.get("carried_by"))


def _evidence(record: BatchDriftRecord) -> BatchDriftRecord.Evidence:
    assert isinstance(record.evidence, BatchDriftRecord.Evidence)
    return record.evidence


def _series(name: str, records: Sequence[BatchDriftRecord], unit: str) -> FeatureSeries:
    newest = _evidence(records[-1])
    column, was = _column(newest.evidence, name), newest.reference.get(name, {})
    now, level = newest.current.get(name, {}), ""
    if "levels" in was:
        moved = _term(column, "levels").get("moved") or {}
        level = str(moved.get("level") or _commonest(was["levels"]))
    return FeatureSeries(
        name=name,
        unit=unit,
        level=level,
        severity=column.get("severity", "insufficient"),
        note=str(column.get("note") or ""),
        points=tuple(point for record in records if (point := _feature_point(record, name, level))),
        was=_summary(was),
        now=_summary(now),
    )


def _commonest(levels: Mapping[str, int]) -> str:
    return max(levels, key=lambda level: levels[level], default="")


def _feature_point(record: BatchDriftRecord, name: str, level: str) -> FeaturePoint | None:
    found = _evidence(record)
    column = _column(found.evidence, name)
    was, now = (_value(side.get(name, {}), level) for side in (found.reference, found.current))
    if was is None or now is None:
        return None
    tolerated = _tolerated(column, found.reference.get(name, {}), level)
    return FeaturePoint(
        record=record.identity.path,
        value=now,
        reference=was,
        low=None if tolerated is None else was - tolerated,
        high=None if tolerated is None else was + tolerated,
        severity=column.get("severity", "insufficient"),
    )


def _value(statistics: Mapping[str, Any], level: str) -> float | None:
    if not level:
        return statistics.get("mean")
    levels = statistics.get("levels") or {}
    return levels.get(level, 0) / statistics["count"] if statistics.get("count") else None


def _tolerated(column: Mapping[str, Any], reference: Mapping[str, Any], level: str) -> float | None:
    """How far a value may move before the verdict on it is medium; None where it was not judged."""
    term = _term(column, "levels" if level else "mean")
    medium = (term.get("thresholds") or {}).get("medium")
    if medium is None:
        return None
    scale = 1.0 if level else reference.get("std")
    return None if scale is None else float((medium + term["noise"]) * scale)


def _column(evidence: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next((one for one in evidence if one.get("column") == name), {})


def _term(column: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next((one for one in column.get("terms", ()) if one.get("term") == name), {})


def _summary(statistics: Mapping[str, Any]) -> dict[str, float | None]:
    wanted = ("count", "missing", "infinite", "mean", "std", "min", "max")
    return {name: statistics[name] for name in wanted if name in statistics}
