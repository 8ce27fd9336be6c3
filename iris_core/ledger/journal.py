"""The journal: one empty object for each decision; its name holds time, outcome and identity.

So listing a day finds the newest decisions without reading an object. The entry is written before its record:
an attempt that dies in between, or that loses to another one, leaves an entry, too. Only the record shows
what was decided.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile

from iris_core.ledger.identity import Identity, Kind, Variant

PAGE = 1000
"""A store lists so many keys at once."""
FIRST = timedelta(days=1)
LEAST = timedelta(microseconds=1)
FULL = 0.75
"""The next window is made so wide that it would be so full; at most `MOST_WIDER` times as wide."""
MOST_WIDER = 64
ALL = timedelta(days=4000)

Listed = Callable[[str], Iterator[str]]
_ENTRY = re.compile(r"\d{4}-\d\d-\d\d/\d{6}\.\d{6}(~[^~/]+){4}")


@dataclass(frozen=True)
class JournalEntry:
    """A decision that an attempt was about to commit: time, outcome and identity."""

    at: datetime
    outcome: str
    identity: Identity

    @property
    def name(self) -> str:
        """The entry's key below its kind's journal: `{day}/{time}~{outcome}~{day}~{subject}~{variant}`."""
        about = self.identity
        return "~".join((stamp(self.at), self.outcome, str(about.day), about.subject, about.variant))

    @classmethod
    def parse(cls, kind: Kind, name: str) -> JournalEntry:
        """The entry with this name, in the journal of this kind."""
        stamp, outcome, day, subject, variant = name.split("~")
        at = datetime.fromisoformat(stamp).replace(tzinfo=UTC)
        return cls(at, outcome, Identity(kind, date.fromisoformat(day), subject, Variant(variant)))


def is_entry(name: str) -> bool:
    """Whether a key below a kind's journal is an entry's: others are not ours, and name no record."""
    return _ENTRY.fullmatch(name) is not None


def named_in(name: str) -> tuple[str, str, str, str]:
    """Outcome, day, subject and variant of the entry with this name, as they are in it."""
    _, outcome, day, subject, variant = name.split("~")
    return outcome, day, subject, variant


def newest_first(
    listed_from: Listed, since: datetime | None = None, before: datetime | None = None
) -> Iterator[str]:
    """Names of a journal's entries, newest first.

    A store lists from the oldest on. So names are listed in windows of time, from the newest on, which are
    narrowed where they hold more than a page and widened where they hold little: what is consumed decides
    how much is listed, not the past.

    :param listed_from: lists the names after the given one, oldest first, as they are consumed.
    :param since: only entries of this time and later ones.
    :param before: only entries before this time.
    """
    top, end = before or datetime.now(UTC), stamp(before) if before else "~"
    floor = stamp(since) if since else ""
    width, filled = FIRST, None  # `filled`: a time of which entries are known
    while True:
        is_bounded = width <= ALL or (filled and filled < top)
        start = max(floor, stamp(top - width)) if is_bounded else floor
        names = _listed(listed_from, start, end, None if width <= LEAST else PAGE)
        if len(names) >= PAGE and width > LEAST:
            # The window begins with a page of entries; newer ones are behind them.
            filled = _time_of(names[-1])
            top = max(top, filled)
            width = max(min(top - filled, filled - _time_of(names[0])) / 2, LEAST)
            continue
        yield from reversed(names)
        if start == floor:
            return
        top, end = top - width, start
        if not names and filled and filled < top:
            width = max((top - filled) / 2, LEAST)
        else:
            width = max(width * min(MOST_WIDER, PAGE * FULL / max(len(names), 1)), LEAST)


def _listed(listed_from: Listed, start: str, end: str, most: int | None) -> list[str]:
    """Names of a window of time.

    :param listed_from: as of `newest_first`.
    :param start: only names after this one.
    :param end: only names before this one.
    :param most: how many; None for all.
    """
    return list(islice(takewhile(lambda name: name < end, listed_from(start)), most))


def _time_of(name: str) -> datetime:
    return datetime.fromisoformat(name.partition("~")[0]).replace(tzinfo=UTC)


def stamp(moment: datetime) -> str:
    """The beginning of the names of a moment's entries: `{day}/{time}`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d/%H%M%S.%f")
