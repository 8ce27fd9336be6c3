"""The quarantine: keeps refused tables, each with the reason beside it."""

from __future__ import annotations

from iris_core.errors import DataRejected, KeyUnreadable
from iris_core.ledger.identity import Identity
from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.objects import RejectedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.settings.places import QUARANTINE
from iris_core.store.versions import ObjectVersion


def quarantine(workspace: Workspace, version: ObjectVersion, error: DataRejected) -> ObjectVersion:
    """Copy exactly this version to the quarantine prefix; `….reason.txt` beside it says what to do.

    :param version: the refused object version.
    :param error: its message becomes the reason.
    :returns: the copy; or the reason's object, if the version's key cannot be read.
    """
    settings, store = workspace.settings, workspace.store
    base = f"{QUARANTINE}{settings.names.section}/{version.digest}/{version.file_name}"
    reason = store.put(settings.bucket, f"{base}.reason.txt", f"{error}\n".encode(), "text/plain")
    if isinstance(error, KeyUnreadable):
        return reason
    return store.copy(version, settings.bucket, base)


def quarantine_and_reject(
    workspace: Workspace, identity: Identity, inputs: RejectedRecord.Inputs, error: DataRejected
) -> None:
    """Copy a refused table to the quarantine prefix, and record its rejection.

    :param identity: the identity of the decision.
    :param inputs: the table, and the configuration or model of the decision.
    :param error: its message and its evidence go into the record.
    """
    kept = quarantine(workspace, inputs.object, error)
    record = RejectedRecord(
        identity=identity,
        by=workspace.actor,
        reason=str(error),
        inputs=inputs,
        outputs=RejectedRecord.Outputs(quarantine=kept.uri),
        evidence=Payload(**error.evidence),
    )
    workspace.ledger.commit(record)
