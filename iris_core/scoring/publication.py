"""From scored parts to published predictions: all of an object in row order, or nothing of it.

Predictions, rejected rows and manifest are written whole before the ledger record that commits them. A
process that dies in between leaves objects that the next attempt writes again, under the same keys. Many
small objects are written side by side and share an MLflow run; each has a record of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from iris_core.errors import DataRejected, DecidedElsewhere, IrisError, NothingOwed, ObjectMissing
from iris_core.ledger import Committed, Identity, Record
from iris_core.ledger.owed import Source
from iris_core.ledger.reconcile import Scope, supersede_older
from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.objects import RejectedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.scoring import manifest as manifests
from iris_core.scoring import places
from iris_core.scoring.manifest import Manifest
from iris_core.scoring.rejects import HEADER
from iris_core.scoring.runs import Ready, log_run, reap
from iris_core.scoring.work import Scored, Whole, Work
from iris_core.store.objects import ObjectVersion

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

TOGETHER = 250
"""Objects that share an MLflow run; what a killed process has to do again at most."""
WRITERS = 8


def publish_all(workspace: Workspace, results: Iterable[Scored]) -> list[dict[str, Any]]:
    """Publish what a run scored; what another run decided meanwhile is left to it.

    :raises NothingOwed: nothing is left to publish.
    :raises DataRejected: nothing could be published because too many rows could not be scored.
    :raises StoreError: some could not be published; what could be is.
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
                trouble.append(outcome)
    reap(workspace)
    if failed := [error for error in trouble if not isinstance(error, DataRejected)]:
        raise failed[0]
    if trouble and not published:
        raise trouble[0]
    if not published:
        raise NothingOwed("Nothing is left to publish: other runs decided about all of it.")
    return published


def wholes(results: Iterable[Scored]) -> Iterator[Whole]:
    """The objects of which every part is there; others are left for another run."""
    by_work: dict[Identity, list[Scored]] = {}
    for scored in results:
        by_work.setdefault(scored.work.identity, []).append(scored)
    for parts in by_work.values():
        parts.sort(key=lambda part: part.piece.index)
        expected = parts[0].piece.count
        if [part.piece.index for part in parts] == list(range(expected)):
            yield Whole(parts[0].work, tuple(parts))
        else:
            log.warning("%s: %d of %d parts; not published.", parts[0].work.object.uri, len(parts), expected)


def publish(workspace: Workspace, whole: Whole | Scored) -> ScoredRecord:
    """Make a scoring visible: predictions at a timestamped key, MLflow run, manifest, ledger record.

    The key's time is when the input landed, so that repeated work writes the same object.

    :raises DecidedElsewhere: another run published first; nothing of this one stays.
    :raises DataRejected: more rows than `MAX_REJECT_SHARE` cannot be scored; recorded first.
    """
    if isinstance(whole, Scored):
        whole = Whole(whole.work, (whole,))
    [outcome] = _publish_together(workspace, [whole])
    if isinstance(outcome, IrisError):
        raise outcome
    return outcome


def _publish_together(workspace: Workspace, batch: Sequence[Whole]) -> list[ScoredRecord | IrisError]:
    """Publish several objects with one MLflow run; an object that fails does not hold the others."""
    prepared = _side_by_side(partial(_prepare, workspace), batch)
    ready = [one for one in prepared if isinstance(one, Ready)]
    records = _commit_all(workspace, ready) if ready else {}
    outcomes = [records[one.work.identity] if isinstance(one, Ready) else one for one in prepared]
    pairs = list(zip(batch, outcomes, strict=True))
    return _side_by_side(lambda pair: _finish(workspace, *pair), pairs)


def _side_by_side(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result | IrisError]:
    """What `work` makes of each item, or how it failed; several at once."""

    def tried(item: Item) -> Result | IrisError:
        try:
            return work(item)
        except IrisError as error:
            return error

    if len(items) == 1:
        return [tried(items[0])]
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="iris-publish") as pool:
        return list(pool.map(tried, items))


def _prepare(workspace: Workspace, whole: Whole) -> Ready | Record:
    """Write everything that a record names; or the record that stands already.

    :raises DecidedElsewhere: another run has taken the parts away, but not decided.
    :raises DataRejected: too many rows cannot be scored; recorded first.
    """
    standing = workspace.ledger.get(whole.work.identity)
    if standing is not None:
        return standing
    parts = [part.part for part in whole.parts if part.part]
    if len(parts) < len(whole.parts):
        raise DecidedElsewhere(f"{whole.work.object.uri} is not scored.")
    reject_if_unusable(workspace, whole)
    work, settings = whole.work, workspace.settings
    bucket, content_type = settings.predictions_bucket, places.CONTENT_TYPES[settings.predictions_format]
    predictions = workspace.store.compose(parts, bucket, places.predictions(workspace, work), content_type)
    rejects = _gather_rejects(workspace, work, whole.parts)
    manifest = _manifest(workspace, whole, predictions, rejects)
    body = manifests.as_json(manifest)
    manifest_at = workspace.store.put(bucket, places.manifest(workspace, work), body, "application/json")
    return Ready(whole, predictions, rejects, manifest, manifest_at)


def reject_if_unusable(workspace: Workspace, whole: Whole) -> None:
    """Record the rejection of an object that has no rows, or too many that cannot be scored.

    :raises DataRejected: it is rejected.
    """
    try:
        whole.counts.require_usable(whole.work.object.uri, workspace.settings.max_reject_share)
    except DataRejected as error:
        reject(workspace, whole.work, error, whole.parts)
        raise


def _commit_all(workspace: Workspace, ready: Sequence[Ready]) -> dict[Identity, Record | IrisError]:
    """Commit each object's record; the first one's before the others, for the run bears its identity."""
    run_id = log_run(workspace, ready)
    commit = partial(_commit, workspace, run_id)
    committed = [*_side_by_side(commit, ready[:1]), *(_side_by_side(commit, ready[1:]) if ready[1:] else [])]
    won = any(isinstance(one, Committed) and one.won for one in committed)
    tracking.settle(workspace, run_id, won)
    records = (one.record if isinstance(one, Committed) else one for one in committed)
    return {one.work.identity: record for one, record in zip(ready, records, strict=True)}


def _finish(workspace: Workspace, whole: Whole, outcome: Record | IrisError) -> ScoredRecord:
    """Take away what a decided scoring does not need, and say what stands.

    :raises DecidedElsewhere: what stands is not a scoring.
    :raises IrisError: the outcome, where it is one.
    """
    work = whole.work
    if isinstance(outcome, DecidedElsewhere):
        withdraw(workspace, work)
    if isinstance(outcome, IrisError):
        raise outcome
    if not isinstance(outcome, ScoredRecord):
        withdraw(workspace, work)
        raise DecidedElsewhere(f"{work.object.uri} is {outcome.outcome}. {outcome.reason}")
    _supersede_older(workspace, work)
    withdraw(workspace, work, only_parts=True)
    return outcome


def _supersede_older(workspace: Workspace, work: Work) -> None:
    """What came before and was never scored is superseded now; nothing that it left stays."""
    scope = Scope("scoring", Source(workspace.settings.bucket, workspace.settings.test_key), work.model)
    for item in supersede_older(workspace, scope, work.object):
        withdraw(workspace, Work(object=item.object, identity=item.identity, model=work.model))


def _gather_rejects(workspace: Workspace, work: Work, parts: Sequence[Scored]) -> ObjectVersion | None:
    found = [part.rejects for part in parts if part.rejects]
    if not found:
        return None
    bucket, key = workspace.settings.predictions_bucket, places.rejects(workspace, work)
    return workspace.store.put_stream(bucket, key, _below_one_header(workspace, found), "text/csv")


def _below_one_header(workspace: Workspace, found: Sequence[ObjectVersion]) -> Iterator[bytes]:
    yield HEADER
    for version in found:
        step = 8 << 20
        for start in range(len(HEADER), version.size, step):
            yield workspace.store.read(version, start, min(start + step, version.size))


def _commit(workspace: Workspace, run_id: str, ready: Ready) -> Committed:
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
    )
    record = ScoredRecord(
        identity=ready.work.identity,
        by=workspace.actor,
        inputs=ready.work.inputs,
        outputs=ScoredRecord.Outputs(
            predictions=ready.predictions, rejects=ready.rejects, manifest=ready.manifest_at, run_id=run_id
        ),
        evidence=evidence,
    )
    return workspace.ledger.commit(record)


def reject(workspace: Workspace, work: Work, error: DataRejected, parts: Sequence[Scored] = ()) -> Committed:
    """Record that an object cannot be scored; the rows that cannot stay findable, nothing else does."""
    rejects = _gather_rejects(workspace, work, parts)
    record = RejectedRecord(
        identity=work.identity,
        by=workspace.actor,
        reason=str(error),
        inputs=RejectedRecord.Inputs.of(work.object, work.model),
        outputs=RejectedRecord.Outputs(rejects=rejects) if rejects else RejectedRecord.Outputs(),
        evidence=Payload(**error.evidence),
    )
    committed = workspace.ledger.commit(record)
    withdraw(workspace, work, only_parts=True)
    return committed


def withdraw(workspace: Workspace, work: Work, only_parts: bool = False) -> None:
    """Delete the parts of a scoring that is decided, and what was written of one that was not to be."""
    bucket, store = workspace.settings.predictions_bucket, workspace.store
    for key in list(store.keys(bucket, places.parts(workspace, work.identity))):
        store.erase(bucket, key)
    if only_parts:
        return
    for key in (
        places.predictions(workspace, work),
        places.rejects(workspace, work),
        places.manifest(workspace, work),
    ):
        with suppress(ObjectMissing):
            store.head(bucket, key)
            store.delete(bucket, key)


def _manifest(
    workspace: Workspace, whole: Whole, predictions: ObjectVersion, rejects: ObjectVersion | None
) -> Manifest:
    settings, work = workspace.settings, whole.work
    return Manifest(
        scoring=work.identity,
        input=work.object,
        input_digest=work.object.digest,
        model=work.model,
        model_sha256=whole.parts[0].model_digest,
        code_version=workspace.actor.code_version,
        libraries=manifests.libraries(),
        probabilities=settings.prediction_probabilities,
        format=settings.predictions_format,
        csv_safe=settings.csv_safe,
        max_reject_share=settings.max_reject_share,
        shards=manifests.entries(whole.parts),
        rows=whole.counts.rows,
        rejected=whole.counts.rejected,
        classes=whole.counts.classes,
        predictions=predictions,
        rejects=rejects,
    )


def _summary(record: ScoredRecord) -> dict[str, Any]:
    found = record.evidence
    return {
        "scoring": record.identity.path,
        "predictions": record.outputs.predictions.uri,
        "rows": found.rows,
        "rejected": found.rejected,
        "accuracy": found.accuracy,
    }
