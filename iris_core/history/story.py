"""Tells a model version's story in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from iris_core.history.queries import MOST_READ, Story, tally
from iris_core.ledger import Actor, Outcome, Record
from iris_core.ledger.records.gate import Approval, GateEvidence
from iris_core.ledger.records.promotion import AskedRecord, RollbackRecord, VerdictRecord


def paragraph(story: Story) -> str:
    """The story in sentences, from the training data to the drift."""
    return " ".join(_sentences(story))


def _sentences(story: Story) -> Iterator[str]:
    yield _trained(story)
    for record in story.promotions:
        if isinstance(record, RollbackRecord):
            yield _rolled_back(record)
        elif isinstance(record, VerdictRecord):
            yield from _judged(record)
        elif isinstance(record, AskedRecord) and record is story.promotions[-1]:
            yield from _asked(record)
    yield _fate(story)
    yield _used(story)
    if story.performances:
        yield _labelled(story)
    if story.drifts:
        yield _drifted(story)


def when(moment: datetime) -> str:
    """A time in this machine's time zone."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _by(actor: Actor) -> str:
    who = actor.owner or "somebody whose name was not set (RUN_OWNER)"
    where = f" in run {actor.run_id} of {actor.dag_id}" if actor.dag_id else " on the command line"
    return f"{who}{where}" + (f", with code version {actor.code_version}" if actor.code_version else "")


def _trained(story: Story) -> str:
    training = story.training
    name = f"Version {story.model.version} of {story.model.name}"
    if training is None:
        return f"{name} did not come from a training that the ledger knows."
    found = training.evidence
    return (
        f"{name} was trained on {when(training.at)} from {training.about.uri}: {found.rows} rows, of which "
        f"{found.holdout_rows} were kept back to judge it (configuration {training.inputs.config.variant}, "
        f"MLflow run {training.run_id}). "
        f"It was started by {_by(training.by)}."
    )


def _asked(record: AskedRecord) -> Iterator[str]:
    yield _accuracy(record.evidence)
    yield _against_champion(record.evidence)
    if record.evidence.is_suspect:
        yield f"Its table is suspect: {record.evidence.suspicion}."
    yield f"It passed the gate; a human was asked on {when(record.at)}, and nobody has answered yet."


def _judged(record: VerdictRecord) -> Iterator[str]:
    evidence = record.evidence if isinstance(record.evidence, GateEvidence) else None
    if evidence:
        yield _accuracy(evidence)
        yield _against_champion(evidence)
    was_promoted = record.outcome == Outcome.PROMOTED
    verdict = f"It was {record.outcome}"
    if evidence and evidence.approval:
        verdict += f", {_answered(evidence.approval)},"
    why = "" if was_promoted and evidence else f" because {record.reason.removesuffix('.')}"
    yield f"{verdict} on {when(record.at)}{why}."


def _answered(human: Approval) -> str:
    return human.sentence if human.by else f"as {human.sentence}"


def _accuracy(evidence: GateEvidence) -> str:
    (score, interval), floor = evidence.judged, evidence.floor
    told = f"{score:.1%} of its answers were right"
    if evidence.score is not None:
        told = f"its {evidence.metric.replace('_', ' ')} score was {score:.1%}"
    return (
        f"On those {evidence.holdout_rows} rows {told} "
        f"(95 % interval {interval.low:.1%} to {interval.high:.1%}; "
        f"ACCURACY_THRESHOLD was {evidence.threshold:.1%}); always answering {floor.majority!r} would "
        f"have been right on {floor.majority_accuracy:.1%} "
        f"(paired test, p = {floor.p_value:.2g})."
    )


def _against_champion(evidence: GateEvidence) -> str:
    champion = evidence.champion
    if champion is None:
        return f"There was no champion to compare it with: {evidence.no_champion}."
    interval = champion.difference
    rows = f"{champion.pairs.rows} rows"
    if champion.compared_on == "unseen rows":
        rows += " that it had not been trained on"
    ours, theirs = champion.shown
    was = "was right on" if champion.score is None else "scored"
    told = (
        f"The champion then, version {champion.version}, {was} {theirs:.1%} of the "
        f"same {rows}, this one {ours:.1%}: a difference of {100 * champion.gain:+.1f} points, "
        f"95 % interval {100 * interval.low:+.1f} to {100 * interval.high:+.1f}"
    )
    if interval.low < -champion.margin:
        told += f"; so few rows could not have shown a loss below {100 * champion.detectable_loss:.0f} points"
    if anchor := evidence.anchor:
        told += (
            f". Against version {anchor.version}, the best before that, it is {100 * anchor.gain:+.1f} points"
        )
    return f"{told}."


def _rolled_back(record: RollbackRecord) -> str:
    before, why = record.inputs.from_version, record.reason.removesuffix(".")
    instead = f" in place of version {before}" if before else ""
    return f"On {when(record.at)} it was rolled back to{instead} by {_by(record.by)}: {why}."


def _fate(story: Story) -> str:
    version = story.model.version
    if story.staged_now and story.staged_now.model.version == version:
        return "By these decisions it is the staged version now."
    after = story.replaced_by
    if after is None:
        return "It is not staged."
    is_rollback = isinstance(after, RollbackRecord)
    how = f"a rollback ({after.reason.removesuffix('.')})" if is_rollback else "the newer one's promotion"
    return f"On {when(after.at)} version {after.model.version} took its place, by {how}."


def _used(story: Story) -> str:
    if not story.scorings:
        return "It has scored nothing."
    rows = sum(record.evidence.rows for record in story.scorings)
    last, least = story.scorings[0], _least(story.scorings)
    tables = "one table" if len(story.scorings) == 1 else f"{least}{len(story.scorings)} tables"
    accuracy = last.evidence.accuracy
    labelled = f", with {accuracy:.1%} of the labelled rows right" if accuracy is not None else ""
    counted = "1 row" if rows == 1 else f"{least}{rows} rows"
    return f"It has scored {tables} ({counted}), last {last.about.uri} on {when(last.at)}{labelled}."


def _least(records: Sequence[Record]) -> str:
    """What stands before a count, where only the newest records were read."""
    return "at least " if len(records) >= MOST_READ else ""


def _labelled(story: Story) -> str:
    last = story.performances[0]
    count = len(story.performances)
    files = "once" if count == 1 else f"{_least(story.performances)}{count} times"
    mine = last.evidence.models[story.model.variant]
    return (
        f"Labels for what it predicted came {files}, last {last.about.uri} on {when(last.at)}: "
        f"{mine.accuracy:.1%} of {mine.joined} {'row was' if mine.joined == 1 else 'rows were'} right."
    )


def _drifted(story: Story) -> str:
    least = _least(story.drifts)
    counts = ", ".join(
        f"{name} {least}{count} times" if count > 1 else f"{name} {least}once"
        for name, count in tally(story.drifts).most_common()
    )
    return f"The drift of what it scored was judged {counts}; the last verdict: {story.drifts[0].reason}"
