"""Objects that are not published: only their rejection and the rows that cannot be scored are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from iris_core.errors import DataRejected, ObjectMissing
from iris_core.ledger import Committed
from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.objects import RejectedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.scoring import places
from iris_core.scoring.rejects import HEADER
from iris_core.scoring.work import Scored, Work
from iris_core.store.objects import ObjectVersion


def record_rejection(
    workspace: Workspace, work: Work, error: DataRejected, parts: Sequence[Scored] = ()
) -> Committed:
    """Record that an object cannot be scored; keep its rejected rows and delete its parts.

    :param work: the scoring that is rejected.
    :param error: the reason, and the evidence for the record.
    :param parts: the scored parts whose rejected rows are kept.
    """
    rejects = gather_rejects(workspace, work, parts)
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
    """Delete what a decided scoring has written.

    :param work: the scoring.
    :param only_parts: delete the parts alone, not predictions, rejected rows and manifest.
    """
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


def gather_rejects(workspace: Workspace, work: Work, parts: Sequence[Scored]) -> ObjectVersion | None:
    """Write the rejected rows of all parts into one object; None where there are none.

    :param work: the scoring that the parts belong to.
    :param parts: in row order.
    """
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
