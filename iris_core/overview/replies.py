"""Replies to the questions that a reader comes with, each with what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from iris_core.drift.thresholds import rank
from iris_core.ledger import Outcome
from iris_core.overview.drifting import DriftPoint
from iris_core.overview.refusals import is_replaced
from iris_core.overview.reply import Reply, Seen, Tone
from iris_core.overview.staged import GateScore, StagedModel
from iris_core.overview.trace import Trace
from iris_core.settings.values import spelled
from iris_core.settings.variables import Settings

LATE = timedelta(hours=1)
"""What is owed for longer is late: tasks are retried, and watchers announce an object again, within it."""
RECENT = timedelta(days=7)
"""Older refusals need nobody any more."""


def replies(settings: Settings, seen: Seen, now: datetime) -> list[Reply]:
    """Replies to: what is staged and why, was the newest data scored, does it drift, what was refused, is a
    verdict late (where a time is promised), what should I do?

    :param settings: name commands and keys.
    :param seen: what there is.
    :param now: the time that is asked about.
    """
    found = [
        _staged(settings, seen),
        _scored(settings, seen, now),
        _drifting(seen),
        _refused(settings, seen, now),
        *_promised(settings, seen, now),
    ]
    return [*found, _todo(found)]


def _staged(settings: Settings, seen: Seen) -> Reply:
    question, iris = "What is staged, and why?", settings.command
    if seen.waiting:
        asked = seen.waiting[0]
        stays = f"Version {seen.staged.version} stays staged." if seen.staged else "Nothing is staged."
        return Reply(
            question=question,
            tone="bad",
            sentence=f"Version {asked.version} passed the gate and waits for an answer. {stays}",
            todo=f"Approve or refuse version {asked.version}: {iris} approve {asked.version} --reason …, or "
            f"{iris} refuse {asked.version} --reason …",
            trace=asked.trace,
        )
    if seen.staged is None and seen.by_hand:
        return Reply(
            question=question,
            tone="note",
            sentence=f"Version {seen.by_hand}: somebody staged it in MLflow by hand, and it scores. "
            "The ledger has no decision that stages one.",
        )
    if seen.staged is None:
        return Reply(
            question=question,
            tone="none",
            sentence="Nothing is staged yet.",
            todo=f"Upload labelled rows: {iris} upload train.csv --as train",
        )
    staged, why = seen.staged, _why(seen.staged)
    if staged.is_moved:
        return Reply(
            question=question,
            tone="note",
            sentence=f"{_moved(staged)} The ledger's last decision staged version {staged.version}: {why}",
            todo=f"If that was not meant: {iris} rollback {staged.version} --reason …",
            trace=staged.trace,
        )
    return Reply(
        question=question,
        tone="good",
        sentence=f"Version {staged.version} of {staged.name}, {staged.trace.outcome} on "
        f"{_when(staged.trace.at)}: {why}",
        trace=staged.trace,
    )


def _moved(staged: StagedModel) -> str:
    if not staged.aliased:
        return "Nothing: somebody deleted MLflow's alias by hand, so no table is scored."
    return f"Version {staged.aliased} of {staged.name}: somebody moved MLflow's alias by hand, and it scores."


def _why(staged: StagedModel) -> str:
    if staged.trace.outcome != "promoted" or staged.measured is None:
        return f"{staged.trace.reason.removesuffix('.') or 'no reason is recorded'}."
    return f"{_score(staged.measured)}. {_against(staged.measured)}"


def _score(measured: GateScore) -> str:
    name = measured.metric.replace("_", " ")
    return (
        f"{name} {measured.score:.3f} on {measured.rows} rows that it did not learn from "
        f"({measured.level:.0%} interval {measured.low:.3f} to {measured.high:.3f}; needed "
        f"{measured.threshold:g})"
    )


def _against(measured: GateScore) -> str:
    if measured.champion is None:
        return f"There was no champion: {measured.no_champion}." if measured.no_champion else ""
    rival = measured.champion
    return (
        f"The champion then, version {rival.version}, had {rival.score:.3f} on the same {rival.rows} rows, "
        f"this one {rival.model_score:.3f}."
    )


def _scored(settings: Settings, seen: Seen, now: datetime) -> Reply:
    question = "Was the newest data scored?"
    late = [one for one in seen.owed.oldest if one.kind == "scoring"]
    if late and seen.has_model:
        is_late, count = now - late[0].since > (settings.verdict_within or LATE), seen.owed.counts["scoring"]
        tables = "One table waits" if count == 1 else f"{count} tables wait"
        return Reply(
            question=question,
            tone="bad" if is_late else "note",
            sentence=f"Not yet: {tables}, the oldest, {late[0].what}, since {_when(late[0].since)}.",
            todo=f"Find out what holds it up: {settings.command} doctor" if is_late else "",
        )
    if not seen.tables:
        waits = "A table waits, but no model is staged." if late else "Nothing has been scored yet."
        todo = f"Upload rows to score: {settings.command} upload test.csv" if seen.has_model else ""
        return Reply(question=question, tone="none", sentence=waits, todo=todo)
    newest = max(seen.tables, key=lambda one: one.trace.landing)
    alike = (one for one in seen.tables if one.trace.object == newest.trace.object)
    table = next((one for one in alike if one.version == seen.scoring), newest)
    refused = next((one.trace for one in seen.refusals if one.trace.kind == "scoring"), None)
    if refused and refused.landing > table.trace.landing:
        how = "failed" if refused.outcome == Outcome.FAILED else "was rejected"
        return Reply(
            question=question,
            tone="note",
            sentence=f"No: {refused.object} {how}. "
            f"The one before it that was scored: {table.trace.object}, with version {table.version}.",
            trace=refused,
        )
    rejected = f", {_rows(table.rejected)} rejected" if table.rejected else ""
    today = "" if table.trace.at.date() == now.date() else " Nothing has been scored today."
    is_by_another = seen.scoring not in (0, table.version)
    if is_by_another and settings.rescore != "none":
        today += f" Version {seen.scoring}, which is staged now, has not scored it yet."
    return Reply(
        question=question,
        tone="note" if table.rejected or is_by_another else "good",
        sentence=f"Yes: {table.trace.object} was scored on {_when(table.trace.at)} with version "
        f"{table.version}: {_rows(table.rows)}{rejected}.{today}",
        todo=f"Look at the rejected rows: {table.rejects}" if table.rejects else "",
        trace=table.trace,
    )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _drifting(seen: Seen) -> Reply:
    question = "Is it drifting?"
    if not seen.points:
        return Reply(question=question, tone="none", sentence="No batch has been judged yet.")
    newest = _worst_of_newest([one for one in seen.points if one.version == seen.scoring] or seen.points)
    what = "files of labels" if newest.is_about_performance else "batches"
    alerted = f" It alerts: {newest.counted} of the last {newest.window} {what}." if newest.alert else ""
    is_worse = rank(newest.severity) >= rank("medium")
    columns = ", ".join(newest.columns)
    return Reply(
        question=question,
        tone="bad" if is_worse else "note" if newest.severity != "none" else "good",
        sentence=f"{newest.severity.capitalize()}, judged on {_when(newest.trace.at)}: "
        f"{newest.trace.reason}{alerted}",
        todo=f"See whether {columns or 'the data'} changed at its source; if the change is real, upload "
        "newer labelled rows to train on"
        if is_worse
        else "",
        trace=newest.trace,
    )


def _worst_of_newest(points: Sequence[DriftPoint]) -> DriftPoint:
    """The worse of the newest verdict on a batch and the newest one on performance, of those that judge."""
    newest: dict[bool, DriftPoint] = {}
    for point in points:
        if point.severity != "insufficient":
            newest.setdefault(point.is_about_performance, point)
    return max(newest.values(), key=lambda one: (rank(one.severity), one.trace.at), default=points[0])


def _refused(settings: Settings, seen: Seen, now: datetime) -> Reply:
    question = "What was refused?"
    told = [
        one
        for one in seen.refusals
        if now - one.trace.at <= RECENT and (one.is_open or one.trace.outcome == "rejected")
    ]
    standing = [one for one in told if not is_replaced(one, seen.used)]
    worst = max(standing, key=lambda one: one.is_open, default=None)
    if worst is None:
        return _refused_before(question, [one.trace for one in told], seen, now)
    refused = worst.trace
    retry = f"Once the cause is mended: {settings.command} retry '{refused.object}' --reason …"
    correct = f"Correct {refused.object} as its reason says, and upload it again"
    return Reply(
        question=question,
        tone="bad",
        sentence=f"{'Given up' if worst.is_open else f'On {_when(refused.at)}'}: {refused.reason}",
        todo=retry if worst.is_open else correct,
        trace=refused,
    )


def _refused_before(question: str, replaced: Sequence[Trace], seen: Seen, now: datetime) -> Reply:
    """What was refused, where nothing of it is left to do: tables that were replaced, and models."""
    found = {one.record: (one, one.reason) for one in replaced}
    for model in seen.decisions:
        one = model.trace
        if one.outcome == Outcome.REFUSED and now - one.at <= RECENT:
            found[one.record] = one, f"version {model.version} was refused: {one.reason}"
    if not found:
        return Reply(question=question, tone="good", sentence="Nothing in the last 7 days.")
    trace, told = max(found.values(), key=lambda one: one[0].at)
    return Reply(question=question, tone="note", sentence=f"On {_when(trace.at)}: {told}", trace=trace)


def _promised(settings: Settings, seen: Seen, now: datetime) -> list[Reply]:
    within, question = settings.verdict_within, "Is a verdict late?"
    if within is None:
        return []
    late = [one for one in seen.owed.oldest if now - one.since > within]
    if not late:
        told = f"No: nothing that is looked at here has waited for longer than {spelled(within)}."
        return [Reply(question=question, tone="good", sentence=told)]
    oldest, promised = min(late, key=lambda one: one.since), spelled(within)
    return [
        Reply(
            question=question,
            tone="bad",
            sentence=f"Yes: {oldest.what} has waited since {_when(oldest.since)}; promised: {promised}.",
            todo=f"Find out what holds it up: {settings.command} doctor",
        )
    ]


def _todo(found: Iterable[Reply]) -> Reply:
    urgent: dict[Tone, int] = {"bad": 0, "none": 1, "note": 2, "good": 3}
    told = sorted((one for one in found if one.todo), key=lambda one: urgent[one.tone])
    if not told:
        return Reply(question="What should I do?", tone="good", sentence="Nothing: no part waits for you.")
    return Reply(
        question="What should I do?",
        tone=told[0].tone,
        sentence="; ".join(one.todo for one in told),
        steps=tuple(one.todo for one in told),
        trace=told[0].trace,
    )


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
