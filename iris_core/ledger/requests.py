"""Models that wait for a human's answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from itertools import islice

from iris_core.ledger.identity import VERDICT
from iris_core.ledger.ledger import Ledger
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.promotion import AskedRecord

LOOKED_THROUGH = 200
"""How many of the newest decisions about models are searched for open requests."""


def open_requests(ledger: Ledger) -> Iterator[AskedRecord]:
    """Requests about models that have no verdict, newest first. Read-only."""
    decided = cache(partial(ledger.decided_on, "promotion"))
    for entry in islice(ledger.journal("promotion"), LOOKED_THROUGH):
        about = entry.identity
        if entry.outcome == Outcome.ASKED and VERDICT not in decided(about.day).get(about.subject, ()):
            request = ledger.find(AskedRecord, about)
            if request and request.at == entry.at:
                yield request
