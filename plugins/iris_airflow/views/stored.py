"""Objects that the pipelines wrote, served so that nothing in them acts in the reader's name."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from iris_core.errors import ObjectMissing
from iris_core.ledger.workspace import Workspace
from iris_core.settings.places import MANIFESTS, QUARANTINE, REJECTS, Place, published_places
from iris_core.settings.variables import Settings
from iris_core.store.objects import ObjectVersion, parse_uri
from iris_core.store.versions import parse_address

SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob: data:; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; worker-src blob:"
)
"""For Evidently's page: its scripts run with an opaque origin, so without cookies, and can load nothing."""
_TYPES = {"html": "text/html; charset=utf-8", "json": "application/json"}


def places(settings: Settings) -> tuple[Place, ...]:
    """The places of a project that are served: what was published, manifests, rejected rows, quarantine."""
    section = settings.names.section
    data, predictions = settings.bucket, settings.predictions_bucket
    return (
        *published_places(settings),
        Place("manifests", predictions, f"{MANIFESTS}{section}/"),
        Place("rejected rows", predictions, f"{REJECTS}{section}/"),
        Place("refused tables", data, f"{QUARANTINE}{section}/"),
    )


def served(workspace: Workspace, uri: str) -> ObjectVersion:
    """The object version with an address, if it is one that the page serves.

    :param workspace: settings and store of the project.
    :param uri: `s3://bucket/key`, with or without a version.
    :raises ObjectMissing: there is no such object, or it lies elsewhere.
    """
    address = parse_address(uri)
    asked = Place("the object", address.bucket, address.key)
    if not any(place.overlaps(asked) for place in places(workspace.settings)):
        raise ObjectMissing(f"{uri} is none of the objects that this page serves.")
    return parse_uri(workspace.store, uri)


def media_type(version: ObjectVersion) -> str:
    """The type under which it is served: HTML and JSON are shown, anything else is downloaded."""
    return _TYPES.get(version.key.rpartition(".")[2], "application/octet-stream")


def quoted_name(version: ObjectVersion) -> str:
    """Its file name as a header takes it."""
    return quote(version.file_name, safe="")


def content(workspace: Workspace, version: ObjectVersion) -> Iterator[bytes]:
    """Its bytes, read as they are sent."""
    return workspace.store.chunks(version)
