"""Where refused tables are kept, with the reason beside them."""

from __future__ import annotations

from iris_core.errors import DataRejected, KeyUnreadable
from iris_core.ledger.workspace import Workspace
from iris_core.settings.places import QUARANTINE
from iris_core.store.versions import ObjectVersion


def quarantine(workspace: Workspace, version: ObjectVersion, error: DataRejected) -> ObjectVersion:
    """Copy exactly this version to the quarantine prefix; `….reason.txt` beside it says what to do.

    :returns: the copy; the reason where the key is such that nothing can be copied.
    """
    settings, store = workspace.settings, workspace.store
    base = f"{QUARANTINE}{settings.platform_env}/{version.digest}/{version.file_name}"
    reason = store.put(settings.bucket, f"{base}.reason.txt", f"{error}\n".encode(), "text/plain")
    if isinstance(error, KeyUnreadable):
        return reason
    return store.copy(version, settings.bucket, base)
