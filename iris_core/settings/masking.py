"""Secrets that must not be seen, and text without them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

MASK = "***"
LEAST = 8
"""A shorter part of an address is no secret, and masking it would spoil every message."""


def secrets_of(settings: BaseModel) -> tuple[str, ...]:
    """Every secret that settings hold, longest first; of an address also what follows the host, for HTTP
    clients log the two apart."""
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
    """The text with each of the secrets replaced."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
