"""What a watch has announced, and when it announces again what is still unaccounted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

REMEMBERED = 1000
MOST_DOUBLINGS = 32


@dataclass(frozen=True)
class Rhythm:
    """Seconds between sweeps, and between sweeps while the stream is down; more where sweeps are costly.

    An announced object that is still unaccounted after `grace_s` seconds is announced again; the time doubles
    with each announcement, up to `longest_grace_s`.
    """

    sweep_s: float = 60.0
    sweep_when_down_s: float = 5.0
    grace_s: float = 60.0
    longest_grace_s: float = 3600.0


@dataclass
class Cursor:
    """The announced objects, by digest: how often and when last (epoch seconds) each was announced."""

    announced: dict[str, tuple[int, float]] = field(default_factory=dict)

    @classmethod
    def parse(cls, stored: Any) -> Cursor:
        """Read a cursor that `dump` wrote; anything else gives an empty one."""
        try:
            return cls({digest: (int(times), float(last)) for digest, (times, last) in stored.items()})
        except (AttributeError, TypeError, ValueError):
            return cls()

    def dump(self) -> dict[str, Any]:
        """The cursor as JSON-able content, limited to the `REMEMBERED` newest announcements."""
        newest = sorted(self.announced.items(), key=lambda item: item[1][1])[-REMEMBERED:]
        return {digest: [times, last] for digest, (times, last) in newest}

    def note(self, digest: str, now: float) -> None:
        times, _ = self.announced.get(digest, (0, 0.0))
        self.announced[digest] = (times + 1, now)

    def keep(self, owed: set[str], began: float) -> None:
        """Forget what was announced before a listing began that did not show it: it has been decided."""
        kept = (one for one in self.announced.items() if one[0] in owed or one[1][1] >= began)
        self.announced = dict(kept)

    def is_due(self, digest: str, now: float, rhythm: Rhythm) -> bool:
        """Whether an object that is still unaccounted must be announced (again).

        :param digest: the object.
        :param now: epoch seconds.
        :param rhythm: how long an announcement is given to take effect.
        """
        times, last = self.announced.get(digest, (0, 0.0))
        grace = min(rhythm.longest_grace_s, rhythm.grace_s * 2 ** max(0, min(times - 1, MOST_DOUBLINGS)))
        return times == 0 or now - last >= grace
