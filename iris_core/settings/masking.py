"""Secrets that must not be seen, and text without them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr

from iris_core.settings.variables import Settings

MASK = "***"
LEAST = 8
"""A shorter part of an address is no secret, and masking it would spoil every message."""


def secrets_of(settings: Settings, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Every secret that settings and environment hold, longest first; of an address also what follows the
    host, for HTTP clients log the two apart.

    :param environ: default: this process's; MLflow's password is its own variable.
    """
    environ = os.environ if environ is None else environ
    held = [value for value in vars(settings).values() if isinstance(value, SecretStr)]
    known = [secret.get_secret_value() for secret in held]
    known += [part for secret in known for part in _after_the_host(secret)]
    known.append(environ.get("MLFLOW_TRACKING_PASSWORD", ""))
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
