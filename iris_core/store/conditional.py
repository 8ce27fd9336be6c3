"""Writes under a condition, of which one of several writers succeeds, also where a connection breaks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, GenericError, PreconditionError
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore import PutMode

TRIES = 4
_CUT_OFF = re.compile(r" in [\d.]+[nµm]s - HTTP error: error sending request")
"""Matches the error of a request whose connection ended at once; obstore has no type for it."""
_SENT_AGAIN = re.compile(r", after \d+ retries")
"""Matches the error of a request that obstore sent again, because it had no answer."""


def put_if(bucket: S3Store, key: str, data: bytes | bytearray, mode: PutMode, content_type: str) -> bool:
    """Write an object if the condition holds; return whether it was written.

    MinIO closes the connection on which it refuses a write, and the next request may be sent on it: obstore
    gives up then, so it is sent again here. If a write that was sent again is refused, the store may have
    taken it the first time: the object's content tells.

    :param bucket: obstore's client of the bucket.
    :param key: the key.
    :param data: the content, by which a writer knows its own object.
    :param mode: the condition.
    :param content_type: its MIME type.
    """
    for number in range(1, TRIES + 1):
        try:
            attributes = {"Content-Type": content_type}
            obstore.put(bucket, key, data, mode=mode, attributes=attributes, use_multipart=False)
        except (AlreadyExistsError, PreconditionError) as error:
            was_sent_before = number > 1 or _SENT_AGAIN.search(str(error))
            return bool(was_sent_before) and bytes(obstore.get(bucket, key).bytes()) == data
        except GenericError as error:
            if number == TRIES or not _CUT_OFF.search(str(error)):
                raise
        else:
            return True
    return False
