"""Where refused tables are kept, with the reason beside them."""

from __future__ import annotations

from iris_core.errors import DataRejected
from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectVersion


def quarantine(workspace: Workspace, version: ObjectVersion, error: DataRejected) -> ObjectVersion:
    """Copy exactly this version to the quarantine prefix; `….reason.txt` beside it says what to do."""
    settings = workspace.settings
    base = f"quarantine/{settings.platform_env}/{version.digest}/{version.key.rsplit('/', 1)[-1]}"
    copied = workspace.store.copy(version, settings.bucket, base)
    workspace.store.put(settings.bucket, f"{base}.reason.txt", f"{error}\n".encode(), "text/plain")
    return copied
