"""Reads drift verdicts from the ledger, in order, and counts N of M for each.

Batches are ordered by the time at which they landed, not by the time of their verdict: reports are made in
parallel and late, and every reader must find the same alerts.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import NamedTuple, Protocol

from iris_core.drift.debounce import Debounced, counted, debounced
from iris_core.drift.known import Earlier
from iris_core.drift.pooling import RECENT
from iris_core.drift.statistics import FeatureStatistics
from iris_core.drift.thresholds import SEVERITIES, Severity, rank
from iris_core.ledger import Identity, JournalEntry, Ledger, ModelRef
from iris_core.ledger.identity import learnt_since
from iris_core.ledger.records.drift import BatchDriftRecord, DriftRecord
from iris_core.ledger.workspace import Workspace
from iris_core.settings.variables import Settings
from iris_core.store.versions import ObjectVersion

LOOKED_THROUGH = 200
"""Most verdicts of a series that are looked through before the ones asked about; a longer window of N of M is
cut."""

MOST_NAMES = 5_000
"""Most names in the journal that are looked at to find them: so a series with few verdicts among many others
does not need a walk through the whole past."""

CLOCKS = timedelta(minutes=2)
"""The store's clock and those of the tasks may differ by so much."""

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


def near(settings: Settings, ledger: Ledger, asked: Collection[Identity]) -> list[DriftRecord]:
    """The verdicts asked about and those that N of M counts with them, in their batches' order, oldest first.

    These are the verdicts of the same series on objects that landed since the oldest one asked about, and
    before it as many as `DRIFT_WINDOW` counts, of up to `LOOKED_THROUGH` that were recorded earlier.

    :param settings: hold N and M.
    :param ledger: where the verdicts are.
    :param asked: the verdicts asked about.
    """
    found = [
        record
        for series, mine in by_series(asked).items()
        for record in _with_window(settings, by_landing(ledger, around(ledger, series, mine)), mine)
    ]
    return sorted(found, key=_order)


def by_series(asked: Collection[Identity]) -> dict[Series, set[Identity]]:
    """The verdicts asked about, of each series."""
    wanted: dict[Series, set[Identity]] = defaultdict(set)
    for identity in asked:
        wanted[series_of(identity)].add(identity)
    return wanted


def around(ledger: Ledger, series: Series, asked: Collection[Identity]) -> Iterator[JournalEntry]:
    """Entries of a series, newest first: all down to the oldest one asked about, then `LOOKED_THROUGH`."""
    left, entries = set(asked), ledger.journal("drift")
    while left and (entry := next(entries, None)):
        left.discard(entry.identity)
        if series_of(entry.identity) == series:
            yield entry
    yield from _newest(entries, series)


def _with_window(
    settings: Settings, newest_first: Iterator[DriftRecord], asked: Collection[Identity]
) -> Iterator[DriftRecord]:
    """Verdicts down to the oldest one asked about, and those before it that share its window."""
    left, judged = set(asked), 0
    for record in newest_first:
        judged += not left and record.outcome != "insufficient"
        left.discard(record.identity)
        yield record
        if not left and judged >= settings.drift_window:
            return


def recent_violations(settings: Settings, ledger: Ledger, series: Series, since: datetime) -> set[Identity]:
    """Verdicts that may alert by their severity, of the newest `LOOKED_THROUGH` of a series. Reads no record.

    :param settings: the least severity that alerts.
    :param ledger: where the verdicts are.
    :param series: theirs.
    :param since: only verdicts recorded at this time or later.
    """
    entries = _newest(ledger.journal("drift", since=since), series)
    return {entry.identity for entry in entries if entry.outcome in violating(settings)}


def _newest(entries: Iterator[JournalEntry], series: Series) -> Iterator[JournalEntry]:
    mine = (entry for entry in islice(entries, MOST_NAMES) if series_of(entry.identity) == series)
    return islice(mine, LOOKED_THROUGH)


def by_landing(ledger: Ledger, entries: Iterable[JournalEntry]) -> Iterator[DriftRecord]:
    """Verdicts in their batches' order, newest first; reads only a few more than are consumed.

    A batch lands before there is a verdict on it. So a batch that landed after the time of an entry landed
    after the batches of all entries behind it, too. Skips verdicts without a model and repeated identities.

    :param ledger: where the verdicts are.
    :param entries: their entries in the journal, newest first.
    """
    read: list[DriftRecord] = []
    seen: set[Identity] = set()
    for entry in entries:
        while read and read[-1].about.landed_at > entry.at + CLOCKS:
            yield read.pop()
        record = None if entry.identity in seen else ledger.get(entry.identity)
        seen.add(entry.identity)
        if isinstance(record, DriftRecord) and record.model:
            insort(read, record, key=_order)
    yield from reversed(read)


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


def _before(
    workspace: Workspace, identity: Identity, current: ObjectVersion, model: ModelRef
) -> Iterator[DriftRecord]:
    """Verdicts of the same series on objects that landed before, newest first."""
    order = order_of(current, identity)
    entries = _newest(workspace.ledger.journal("drift", learnt_since(model)), series_of(identity))
    return (each for each in by_landing(workspace.ledger, entries) if _order(each) < order)


def earlier(
    workspace: Workspace, identity: Identity, current: ObjectVersion, model: ModelRef
) -> list[Earlier]:
    """Batches of the same model that landed before and whose verdicts hold scores; oldest first.

    These are as many as are compared together, and as many small ones as wait for a verdict. Where the spread
    is learnt and not settled, all that are looked through.

    :param identity: the identity of the verdict on a batch of the model.
    :param current: the batch.
    :param model: the model.
    """
    found: list[Earlier] = []
    for record in _before(workspace, identity, current, model):
        if not isinstance(record.evidence, BatchDriftRecord.Evidence) or not record.evidence.scores:
            continue
        found.append(_earlier(record.outcome, record.evidence))
        is_learnt = not workspace.settings.drift_learn_spread or found[0].spread.is_settled
        if is_learnt and len(found) >= RECENT - 1 and any(batch.is_judged for batch in found):
            break
    return found[::-1]


def _earlier(outcome: str, evidence: BatchDriftRecord.Evidence) -> Earlier:
    scores = {name: FeatureStatistics.model_validate(one) for name, one in evidence.scores.items()}
    return Earlier(scores, is_judged=outcome != "insufficient", spread=evidence.spread)


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
    workspace: Workspace,
    identity: Identity,
    current: ObjectVersion,
    model: ModelRef,
    verdict: DriftOrPerformance,
) -> Debounced:
    """The result of N of M for a verdict that is not recorded yet, by it and the recorded ones.

    :param identity: the identity that its record will have.
    :param current: the object that is judged.
    :param model: the model that it was scored with.
    :param verdict: the verdict.
    """
    settings = workspace.settings
    counts = (counted_severity(settings, each) for each in _before(workspace, identity, current, model))
    before = list(islice((each for each in counts if each != "insufficient"), settings.drift_window))
    newest = counted(verdict.severity, verdict.chance, settings.drift_violations)
    return debounced_severity(settings, [*before[::-1], newest])
