"""What scoring writes, and where: parts, predictions, rejected rows, manifests.

Of an object that cannot be scored only its rejection and its rejected rows are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC

from iris_core.errors import DataRejected, ObjectMissing
from iris_core.ledger import Committed, Identity
from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.objects import RejectedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.scoring.engine import HEADER
from iris_core.scoring.work import Piece, Scored, Whole, Work
from iris_core.settings.places import MANIFESTS, REJECTS, WORK
from iris_core.store.objects import ObjectVersion

CONTENT_TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


def part(workspace: Workspace, piece: Piece) -> str:
    """Key of a piece's unfinished predictions."""
    number = f"{piece.index:04d}-of-{piece.count:04d}"
    return f"{parts(workspace, piece.identity)}/{number}.{_suffix(workspace)}"


def parts(workspace: Workspace, identity: Identity) -> str:
    """Prefix of the keys of a scoring's parts."""
    return f"{WORK}{workspace.settings.platform_env}/{identity}"


def handed(workspace: Workspace, digest: str) -> str:
    """Key of content that one task hands to another because it is too large for an XCom."""
    return f"{WORK}{workspace.settings.platform_env}/handed/{digest}.json"


def predictions(workspace: Workspace, work: Work) -> str:
    """Key of the published predictions; it begins with the time at which the input landed."""
    return f"{workspace.settings.predictions_prefix}/{name(work)}.{_suffix(workspace)}"


def rejects(workspace: Workspace, work: Work) -> str:
    """Key of an object's rejected rows."""
    return f"{REJECTS}{workspace.settings.platform_env}/{name(work)}.csv"


def manifest(workspace: Workspace, work: Work) -> str:
    """Key of a scoring's manifest; every attempt writes the same key."""
    return f"{MANIFESTS}{workspace.settings.platform_env}/{work.identity}.json"


def name(work: Work) -> str:
    """A scoring's name: the time at which its input landed, the input's digest, the model."""
    moment = work.object.landed_at.astimezone(UTC)
    return f"{moment:%Y%m%dT%H%M%SZ}-{work.object.digest[:8]}-{work.identity.variant}"


def _suffix(workspace: Workspace) -> str:
    return workspace.settings.predictions_format


def reject_if_unusable(workspace: Workspace, whole: Whole) -> None:
    """Reject an object that has no rows, or too many rejected rows, and record the rejection.

    :raises DataRejected: the object is rejected.
    """
    try:
        whole.counts.require_usable(whole.work.object.uri, workspace.settings.max_reject_share)
    except DataRejected as error:
        record_rejection(workspace, whole.work, error, whole.parts)
        raise


def record_rejection(
    workspace: Workspace, work: Work, error: DataRejected, parts: Sequence[Scored] = ()
) -> Committed:
    """Record that an object cannot be scored; keep its rejected rows and delete its parts.

    :param work: the scoring that is rejected.
    :param error: the reason, and the evidence for the record.
    :param parts: the scored parts whose rejected rows are kept.
    """
    kept = gather_rejects(workspace, work, parts)
    record = RejectedRecord(
        identity=work.identity,
        by=workspace.actor,
        reason=str(error),
        inputs=RejectedRecord.Inputs.of(work.object, work.model),
        outputs=RejectedRecord.Outputs(rejects=kept) if kept else RejectedRecord.Outputs(),
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
    for key in list(store.keys(bucket, parts(workspace, work.identity))):
        store.erase(bucket, key)
    if only_parts:
        return
    for key in (
        predictions(workspace, work),
        rejects(workspace, work),
        manifest(workspace, work),
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
    bucket, key = workspace.settings.predictions_bucket, rejects(workspace, work)
    return workspace.store.put_stream(bucket, key, _below_one_header(workspace, found), "text/csv")


def _below_one_header(workspace: Workspace, found: Sequence[ObjectVersion]) -> Iterator[bytes]:
    yield HEADER
    for version in found:
        step = 8 << 20
        for start in range(len(HEADER), version.size, step):
            yield workspace.store.read(version, start, min(start + step, version.size))
