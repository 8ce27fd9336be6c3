"""Types of variables' values, and their checks."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints

from iris_core.settings.places import ARTIFACT_BUCKET

MAX_KEY_BYTES = 900
"""S3 allows 1,024 bytes; names that are made from a key need the rest."""

MAX_SEGMENT_BYTES = 255
"""MinIO stores each part of a key as a file name."""

TYPE_NAME = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+"
"""Pattern of a type's full name, with its module."""

_QUOTES = ("''", '""', "‘’", "“”")
_INVISIBLE = "\ufeff\u200b"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")

_SPAN = re.compile(r"([1-9][0-9]{0,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

LONGEST_SPAN = timedelta(days=30)


def bare(text: str) -> str:
    """The text without the blanks, line ends and pairs of quotes around it."""
    inner = text.strip().strip(_INVISIBLE)
    if len(inner) > 1 and inner[0] + inner[-1] in _QUOTES:
        inner = inner[1:-1]
    return inner if inner == text else bare(inner)


def unusable(text: str, *, is_secret: bool) -> str:
    """Why a bare text cannot be the value of a variable, or "". A secret may begin or end with a quote."""
    if found := _CONTROL.search(text):
        return f"A value should not hold the control character {found[0]!a}"
    if not is_secret and {text[:1], text[-1:]} & {*"".join(_QUOTES)}:
        return "A value should not begin or end with a quote that has no counterpart"
    return ""


def on_one_line(text: str) -> str:
    """The text with each control character escaped as in Python."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def _number(value: Any) -> Any:
    """Refuse numbers that are usually mistakes: `nan`, `1_000`, digits of other scripts, `-0`."""
    if isinstance(value, str) and (not _NUMBER.fullmatch(value) or (value[0] == "-" and not float(value))):
        raise ValueError("This should be a valid number in the digits 0 to 9, such as 12 or 0.5")
    return value


def _span(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not (found := _SPAN.fullmatch(value)):
        raise ValueError("This should be a whole number of seconds, minutes, hours or days, such as 15m")
    span = timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    if span > LONGEST_SPAN:
        raise ValueError(f"This should be at most {spelled(LONGEST_SPAN)}")
    return span


def spelled(span: timedelta) -> str:
    """A time span as it is written into a variable, in the largest unit that gives a whole number."""
    seconds = round(span.total_seconds())
    unit = next(unit for unit in reversed(_UNITS) if not seconds % _UNITS[unit])
    return f"{seconds // _UNITS[unit]}{unit}"


def _key(key: str) -> str:
    segments = key.removesuffix("/").split("/")
    longest = max(len(segment.encode()) for segment in segments)
    problems = {
        "A key should have at least 1 character": not key,
        "A key should not begin with /": key.startswith("/"),
        "A key should not hold //": "//" in key,
        "A key should not hold . or .. between slashes": not {".", ".."}.isdisjoint(segments),
        f"A key should have at most {MAX_KEY_BYTES} bytes": len(key.encode()) > MAX_KEY_BYTES,
        f"A key should have at most {MAX_SEGMENT_BYTES} bytes between slashes": longest > MAX_SEGMENT_BYTES,
    }
    return _unless(problems, key)


def _object_key(key: str) -> str:
    return _unless({"This should be the key of one object, not a prefix that ends in /": key[-1] == "/"}, key)


def _bucket(name: str) -> str:
    problems = {
        "A bucket's name should not look like an address": name.replace(".", "").isdecimal(),
        "A bucket's name should not hold .., .- or -.": bool(re.search(r"\.[.-]|-\.", name)),
        f"The bucket {ARTIFACT_BUCKET} holds MLflow's artifacts": name == ARTIFACT_BUCKET,
    }
    return _unless(problems, name)


def _unless(problems: dict[str, bool], value: str) -> str:
    for problem, is_there in problems.items():
        if is_there:
            raise ValueError(problem)
    return value


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "sqlite" and not (parts.hostname and parts.port != 0):
        raise ValueError("A URL should name a host, and no port or one from 1 to 65535")
    return url


def _secret_address(url: SecretStr) -> SecretStr:
    address = url.get_secret_value()
    if not re.match(r"https?://[^/\s]+", address):
        raise ValueError("expected a URL that begins with http:// or https://")
    try:
        _address(address)
    except ValueError:  # its text may hold a part of the secret
        raise ValueError("expected a URL that names a host, and a port or none") from None
    return url


def _cut(value: Any) -> Any:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Bucket = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"), AfterValidator(_bucket)
]

Topic = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$", max_length=249)
]
"""A Kafka topic's name; not a pattern of names, which would begin with `^`."""

Key = Annotated[str, AfterValidator(_key)]
"""An object's key, or a prefix that ends in `/`."""

ObjectKey = Annotated[Key, AfterValidator(_object_key)]
Folder = Annotated[Key, BeforeValidator(lambda value: value.rstrip("/"))]
"""A prefix without its closing `/`."""

Prefix = Annotated[Key, BeforeValidator(lambda value: f"{value.rstrip('/')}/")]
"""A prefix that ends in `/`."""

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^/@\s]+(/[^@\s]*)?$"), AfterValidator(_address)]
TrackingUri = Annotated[
    str,
    StringConstraints(pattern=r"^(https?://[^/@\s]+(/[^@\s]*)?|sqlite:///\S+)$"),
    AfterValidator(_address),
]
"""No URL holds a password, which logs would show: see MLFLOW_TRACKING_USERNAME and …_PASSWORD."""

Login = Annotated[str, StringConstraints(pattern=r"^[^:]*$")]
"""A user name for HTTP's basic authentication, which allows no colon."""

SecretUrl = Annotated[SecretStr, AfterValidator(_secret_address)]
"""A URL to which anybody who knows it can post, such as Slack's."""

Count = Annotated[int, BeforeValidator(_number), Field(ge=1)]
Number = Annotated[float, BeforeValidator(_number), Field(ge=0)]
Share = Annotated[Number, Field(le=1)]

Span = Annotated[timedelta, BeforeValidator(_span)]
"""A time span such as `15m`: a whole number of seconds, minutes, hours or days."""

TypeNames = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=f"^{TYPE_NAME}$")], ...], BeforeValidator(_cut)
]
Addresses = Annotated[str, StringConstraints(pattern=r"^([^@\s,]+@[^@\s,]+(,[^@\s,]+@[^@\s,]+)*)?$")]
