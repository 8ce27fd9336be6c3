"""Who may call: the access key of a request, wherever S3 lets a client put it.

Only the access key is compared. Signatures, and so the secret key and the expiry of presigned URLs and
form policies, are NOT verified: this store keeps mistakes out (a wrong profile, a forgotten variable), not
attackers. It belongs on the loopback interface.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from devstack.embedded_s3.calls import Call

_SIGV4 = re.compile(r"^AWS4-HMAC-SHA256\b.*?Credential=([^/,\s]+)/")
_SIGV2 = re.compile(r"^AWS ([^:\s]+):")


def presented_key(call: Call, authorization: str, form: Mapping[str, str]) -> str | None:
    """The access key in the Authorization header, the presigned query or the post form; None if unsigned."""
    return _header_key(authorization) or _query_key(call) or _form_key(form)


def _header_key(authorization: str) -> str | None:
    found = _SIGV4.match(authorization) or _SIGV2.match(authorization)
    return found.group(1) if found else None


def _query_key(call: Call) -> str | None:
    credential = call.first("X-Amz-Credential")
    return credential.partition("/")[0] if credential else call.first("AWSAccessKeyId")


def _form_key(form: Mapping[str, str]) -> str | None:
    fields = {name.lower(): value for name, value in form.items()}
    credential = fields.get("x-amz-credential")
    return credential.partition("/")[0] if credential else fields.get("awsaccesskeyid")
