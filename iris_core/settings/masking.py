"""Finds the secrets in settings, and masks them in text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

MASK = "***"
LEAST = 8
"""Characters; a shorter part of an address is no secret, and masking it would make messages unreadable."""


def secrets_of(settings: BaseModel) -> tuple[str, ...]:
    """Every secret in the settings, longest first.

    For an address this includes the part after the host alone, because HTTP clients log the two separately.
    """
    held = [value for value in vars(settings).values() if isinstance(value, SecretStr)]
    known = [secret.get_secret_value() for secret in held]
    known += [part for secret in known for part in _after_the_host(secret)]
    return tuple(sorted(filter(None, dict.fromkeys(known)), key=len, reverse=True))


def _after_the_host(secret: str) -> Iterator[str]:
    url = urlsplit(secret)
    rest = secret.partition(url.netloc)[2] if url.scheme and url.netloc else ""
    if len(rest) >= LEAST:
        yield rest


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text with each secret replaced by `MASK`."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
