"""Checks that the credentials may do what they must, and nothing more, without writing an object.

To test writing, a multipart upload is begun and aborted: no object appears and nobody is notified. To test
deleting, a version that does not exist is deleted: the store refuses, or has nothing to do.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator

from minio.error import MinioException, S3Error

from iris_core.doctor.finding import Diagnosis, ill, note, well
from iris_core.settings import places
from iris_core.settings.places import Place
from iris_core.settings.variables import Settings
from iris_core.store.objects import ObjectStore

CHECK = "credentials"


def check_rights(store: ObjectStore, settings: Settings, are_pipelines: bool) -> Iterator[Diagnosis]:
    """Check what the store allows: everything that must be allowed, and nothing that should not be.

    :param store: the store, with the credentials in question.
    :param settings: name buckets and keys.
    :param are_pipelines: whether the credentials are the pipelines'; otherwise they are an uploader's.
    """
    written, landing = places.written(settings), places.watched(settings)
    own, others = (written, landing) if are_pipelines else (landing, written)
    refused = [_named(place) for place in own if not may_write(store, place)]
    if refused:
        yield ill(
            CHECK, f"they may not write {', '.join(refused)}", "Correct their policy: deploy/policies.py."
        )
    else:
        yield well(CHECK, f"they may write {', '.join(sorted({place.key for place in own}))}")
    more = [f"write {_named(place)}" for place in others if may_write(store, place)]
    for_good = [place for place in (*landing, *written) if not (are_pipelines and place.key == places.WORK)]
    more += [f"delete versions of {_named(place)}" for place in for_good if may_delete(store, place)]
    if more:
        todo = "Give them a policy of least rights: deploy/policies.py. An embedded store has none."
        yield note(CHECK, f"they may do more than they must: {_some(more)}", todo)
    else:
        yield well(CHECK, "they may do nothing that they need not")


def may_write(store: ObjectStore, place: Place) -> bool:
    """Whether these credentials may write an object there. Writes none."""

    def begin() -> None:
        upload = store.admin._create_multipart_upload(place.bucket, _key_in(place), {})
        store.admin._abort_multipart_upload(place.bucket, _key_in(place), upload)

    return _allowed(begin)


def may_delete(store: ObjectStore, place: Place) -> bool:
    """Whether these credentials may delete a version there for good. Deletes none."""
    nothing = str(uuid.uuid4())
    return _allowed(lambda: store.admin.remove_object(place.bucket, _key_in(place), version_id=nothing))


def _allowed(act: Callable[[], object]) -> bool:
    try:
        act()
    except S3Error as error:
        return error.code not in ("AccessDenied", "AllAccessDisabled")
    except MinioException:
        return False
    return True


def _key_in(place: Place) -> str:
    return f"{place.key}iris-doctor" if place.key.endswith("/") else place.key


def _named(place: Place) -> str:
    return f"{place.bucket}/{place.key}"


def _some(found: Iterable[str], shown: int = 4) -> str:
    listed = list(found)
    rest = f" and {len(listed) - shown} more" if len(listed) > shown else ""
    return ", ".join(listed[:shown]) + rest
