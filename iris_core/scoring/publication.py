"""From scored parts to published predictions: all rows of an object, in order, or none.

Predictions, rejected rows and manifest are written before the ledger record that commits them. If a process
dies in between, the next attempt writes them again, under the same keys. Many small objects are written at
once and share an MLflow run; each has its own record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from itertools import islice, pairwise
from typing import Any, Protocol, TypeVar

from iris_core.errors import (
    DataRejected,
    DecidedElsewhere,
    GivenUp,
    IrisError,
    NothingOwed,
    TryFailed,
    free_frames,
)
from iris_core.ledger import Identity, Record
from iris_core.ledger.reconcile import Scope, supersede_older
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.source import Source
from iris_core.ledger.tries import Tried, is_unforeseen, one_try
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs
from iris_core.scoring.results import assembly_of, keep_manifest, log_run, reject_if_unusable, withdraw
from iris_core.scoring.work import Ready, Scored, Whole, Work

log = logging.getLogger(__name__)


class HasWork(Protocol):
    """An object on its way to publication."""

    @property
    def work(self) -> Work: ...


Item = TypeVar("Item", bound=HasWork)
Result = TypeVar("Result")

TOGETHER = 250
"""Most objects that share an MLflow run, and that must be published again after a process was killed."""
WRITERS = 8


def publish_all(workspace: Workspace, results: Iterable[Scored]) -> list[dict[str, Any]]:
    """Publish what a run scored; skip objects that another run has decided meanwhile.

    :returns: a summary of each published scoring.
    :raises NothingOwed: nothing is left to publish.
    :raises DataRejected: nothing was published, because too many rows cannot be scored.
    :raises TryFailed: nothing was published, because of an unforeseen error.
    :raises IrisError: another error, such as a StoreError, stopped some objects; the others are published.
    """
    published: list[dict[str, Any]] = []
    trouble: list[IrisError] = []
    rest = wholes(results)
    while batch := list(islice(rest, TOGETHER)):
        for outcome in _publish_together(workspace, batch):
            if isinstance(outcome, ScoredRecord):
                published.append(_summary(outcome))
            elif not isinstance(outcome, DecidedElsewhere):
                log.warning("%s", outcome)
                free_frames(outcome)
                trouble.append(outcome)
    mlflow_runs.settle_runs(workspace, workspace.settings.names.inference_experiment)
    if failed := [error for error in trouble if not isinstance(error, DataRejected | TryFailed)]:
        raise failed[0]
    if trouble and not published:
        raise trouble[0]
    if not published:
        raise NothingOwed("Nothing is left to publish: other runs decided about all of it.")
    return published


def wholes(results: Iterable[Scored]) -> Iterator[Whole]:
    """Objects whose parts are complete and meet; the others are left for another run."""
    by_work: dict[Identity, list[Scored]] = {}
    for scored in results:
        by_work.setdefault(scored.work.identity, []).append(scored)
    for parts in by_work.values():
        parts.sort(key=lambda part: part.piece.index)
        expected, uri = parts[0].piece.count, parts[0].work.object.uri
        if [part.piece.index for part in parts] != list(range(expected)):
            log.warning("%s: %d of %d parts; not published.", uri, len(parts), expected)
        elif not _meet(parts):
            log.error("%s: a part does not begin where the one before it ends; not published.", uri)
        else:
            yield Whole(parts[0].work, tuple(parts))


def _meet(parts: Sequence[Scored]) -> bool:
    """Whether the parts' rows follow one another, to the end of their object."""
    found = [part.range for part in parts if part.range]
    meet = all(before.end == after.start for before, after in pairwise(found))
    return meet and (len(found) < len(parts) or found[-1].end == parts[0].work.object.size)


def _publish_together(workspace: Workspace, batch: Sequence[Whole]) -> list[ScoredRecord | IrisError]:
    """Publish several objects with one MLflow run; an object that fails does not stop the others."""
    prepared = _side_by_side(workspace, "publish", partial(_prepared, workspace), batch)
    ready = [one for one in prepared if isinstance(one, Ready)]
    outcomes = _commit_all(workspace, ready) if ready else {}
    for whole, one in zip(batch, prepared, strict=True):
        if not isinstance(one, Ready):
            outcomes[whole.work.identity] = one
    return _side_by_side(workspace, "finish", partial(_finished, workspace, outcomes), batch)


def _side_by_side(
    workspace: Workspace, part: str, step: Callable[[Item], Result], items: Sequence[Item]
) -> list[Result | IrisError]:
    """Result or error of a step for each object; several at once, but only in the task's first try.

    Later tries take one object at a time: only so the object that kills the process is found.

    :param part: the step's name, under which tries are noted.
    :param step: takes an object; an unforeseen error of it is the object's own.
    :param items: the objects.
    """

    def tried(item: Item) -> Result | IrisError:
        try:
            with one_try(workspace, _tried(item.work, part)):
                return step(item)
        except IrisError as error:
            return error

    if len(items) == 1 or workspace.actor.try_number > 1:
        return [tried(item) for item in items]
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="iris-publish") as pool:
        return list(pool.map(tried, items))


def _tried(work: Work, part: str) -> Tried:
    return Tried(work.identity, work.failing, part)


def _prepared(workspace: Workspace, whole: Whole) -> Ready | Record:
    """Write everything that a record names except the MLflow run; return an existing record instead.

    :raises DecidedElsewhere: parts are missing: another run had decided when they were scored.
    :raises DataRejected: too many rows cannot be scored; recorded first.
    """
    standing = workspace.ledger.get(whole.work.identity)
    if standing is not None:
        return standing
    parts = [part.part for part in whole.parts if part.part]
    if len(parts) < len(whole.parts):
        raise DecidedElsewhere(f"{whole.work.object.uri} is not scored.")
    reject_if_unusable(workspace, whole)
    predictions = assembly_of(workspace, whole.work, len(parts)).put_together(parts)
    return keep_manifest(workspace, whole, predictions)


def _commit_all(workspace: Workspace, ready: Sequence[Ready]) -> dict[Identity, Record | IrisError]:
    """Commit each object's record, the first object's before the others: the run has its identity.

    Any of the objects may cause an unforeseen error while the run is logged: then each gets its own run.
    """
    try:
        with one_try(workspace, _tried(ready[0].work, "log")) if len(ready) == 1 else nullcontext():
            run_id = log_run(workspace, ready)
    except (DataRejected, DecidedElsewhere, TryFailed) as error:
        return {ready[0].work.identity: error}
    except BaseException as error:
        if len(ready) == 1 or not is_unforeseen(error):
            raise
        log.warning("Logging %d objects together failed; each is logged alone.", len(ready), exc_info=error)
        return {one.work.identity: _commit_all(workspace, [one])[one.work.identity] for one in ready}

    def commit(one: Ready) -> Record:
        return workspace.ledger.commit(_record(workspace, run_id, one)).record

    first = _side_by_side(workspace, "commit", commit, ready[:1])
    committed = [*first, *(_side_by_side(workspace, "commit", commit, ready[1:]) if ready[1:] else [])]
    return {one.work.identity: record for one, record in zip(ready, committed, strict=True)}


def _finished(
    workspace: Workspace, outcomes: Mapping[Identity, Record | IrisError], whole: Whole
) -> ScoredRecord:
    """Delete what a decided scoring no longer needs, and return its record.

    :param outcomes: what came of each object.
    :param whole: the object.
    :raises DecidedElsewhere: the existing record is not that of a scoring.
    :raises IrisError: the outcome, if it is an error.
    """
    work = whole.work
    outcome = outcomes[work.identity]
    if isinstance(outcome, DecidedElsewhere | GivenUp):
        scored = workspace.ledger.find(ScoredRecord, work.identity)
        outcome = scored or outcome
        if not scored:
            withdraw(workspace, work)
    if isinstance(outcome, IrisError):
        raise outcome
    if not isinstance(outcome, ScoredRecord):
        withdraw(workspace, work)
        raise DecidedElsewhere(f"{work.object.uri} is {outcome.outcome}. {outcome.reason}")
    scope = Scope("scoring", Source(workspace.settings.bucket, workspace.settings.test_key), work.model)
    for item in supersede_older(workspace, scope, work.object):
        withdraw(workspace, Work(object=item.object, identity=item.identity, model=work.model))
    withdraw(workspace, work, only_parts=True)
    return outcome


def _record(workspace: Workspace, run_id: str, ready: Ready) -> ScoredRecord:
    counts = ready.whole.counts
    found = counts.quality
    evidence = ScoredRecord.Evidence(
        rows=counts.rows,
        rejected=counts.rejected,
        faults=tuple(each.model_dump(include={"check", "column", "count"}) for each in counts.worst_faults),
        classes=counts.classes,
        agreement=counts.agreement,
        unknown_labels=counts.unknown_labels,
        accuracy=found.accuracy if found else None,
        per_class=found.classes if found else {},
        shards=len(ready.whole.parts),
        seconds=round(sum(part.seconds for part in ready.whole.parts), 3),
    )
    return ScoredRecord(
        identity=ready.work.identity,
        by=workspace.actor,
        inputs=ready.work.inputs,
        outputs=ScoredRecord.Outputs(
            predictions=ready.manifest.predictions,
            rejects=ready.manifest.rejects,
            manifest=ready.manifest_at,
            run_id=run_id,
        ),
        evidence=evidence,
    )


def _summary(record: ScoredRecord) -> dict[str, Any]:
    found = record.evidence
    return {
        "scoring": record.identity.path,
        "model_version": record.model.version,
        "predictions": record.outputs.predictions.uri,
        "rows": found.rows,
        "rejected": found.rejected,
        "accuracy": found.accuracy,
    }
