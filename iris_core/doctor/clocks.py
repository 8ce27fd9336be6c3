"""Checks that the clocks agree, by the `Date` of each server's answer, which is in whole seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from iris_core.doctor.finding import Diagnosis, ill, well

AGREE_WITHIN_S = 5.0
"""A store refuses requests that are 15 minutes off. Smaller errors matter, too: the store's clock decides
what landed first."""

PATIENCE_S = 5.0


def check_clocks(servers: Mapping[str, str]) -> Iterator[Diagnosis]:
    """Compare each server's clock with this machine's; servers that send no time are left out.

    :param servers: the address of each server, by its name.
    """
    told = {name: found for name, address in servers.items() if (found := offset_s(address)) is not None}
    for name, seconds in told.items():
        if abs(seconds) > AGREE_WITHIN_S:
            said = f"the clock of {name} is {seconds:+.0f} s off this machine's"
            yield ill("clocks", said, "Let NTP set both.")
    if told and all(abs(seconds) <= AGREE_WITHIN_S for seconds in told.values()):
        yield well("clocks", f"this machine's and those of {', '.join(told)} agree")


def offset_s(address: str) -> float | None:
    """Seconds by which a server's clock is ahead of this machine's; None if the server sends no time."""
    before = datetime.now(UTC)
    try:
        answer = httpx.get(address, trust_env=False, timeout=PATIENCE_S)
        there = parsedate_to_datetime(answer.headers["date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return None
    after = datetime.now(UTC)
    # The server's time lies anywhere within its second, and its answer anywhere between `before` and `after`.
    if there.timestamp() + 1 < before.timestamp():
        return there.timestamp() + 1 - before.timestamp()
    return max(0.0, there.timestamp() - after.timestamp())
