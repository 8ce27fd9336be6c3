"""Where scoring writes: parts, predictions, rejected rows, manifests."""

from __future__ import annotations

from datetime import UTC

from iris_core.ledger import Identity
from iris_core.ledger.workspace import Workspace
from iris_core.scoring.work import Piece, Work
from iris_core.settings.places import MANIFESTS, REJECTS, WORK

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


def part_rejects(workspace: Workspace, piece: Piece) -> str:
    """Key of a piece's rejected rows."""
    return f"{part(workspace, piece)}.rejects.csv"


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
