"""Decisions of one kind in little memory: 20 bytes for each version, sorted by day and digest.

A million versions as Python objects would take a quarter of a gigabyte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from math import isqrt
from typing import Any, NamedTuple

from iris_core.ledger.identity import Variant

WIDTH = 16
"""Bytes of a digest."""
CODE = 4
"""Bytes of the number of a standing."""


class Standing(NamedTuple):
    """The variants that are decided for a version, and its unusual outcomes."""

    variants: tuple[Variant, ...]
    outcomes: frozenset[str]


NONE = Standing((), frozenset())
"""Of a version without a decision."""


class Day:
    """The decided versions that landed on one day: their sorted digests, then as many numbers of standings.

    :param held: bytes that hold them.
    :param begin: where they begin there.
    :param count: how many versions there are.
    """

    def __init__(self, held: bytearray, begin: int, count: int) -> None:
        self._held, self._begin, self.count = held, begin, count
        self._codes = begin + count * WIDTH
        self._reach = isqrt(count) + 4

    @property
    def content(self) -> memoryview:
        return memoryview(self._held)[self._begin : self._codes + self.count * CODE]

    def place(self, digest: bytes) -> int | None:
        """The row of a digest; None without one.

        Digests are spread evenly: 19 of 20 are within a square root of `count` of the row that their first
        bytes tell.
        """
        guess = int.from_bytes(digest[:4], "big") * self.count >> 32
        first = self._begin + max(guess - self._reach, 0) * WIDTH
        at = self._held.find(digest, first, min(first + 2 * self._reach * WIDTH, self._codes))
        row, rest = divmod(at - self._begin, WIDTH)
        return row if at >= 0 and not rest else self._searched(digest)

    def _searched(self, digest: bytes) -> int | None:
        held, begin, low, high = self._held, self._begin, 0, self.count
        while low < high:
            middle = (low + high) // 2
            at = begin + middle * WIDTH
            if held[at : at + WIDTH] < digest:
                low = middle + 1
            else:
                high = middle
        at = begin + low * WIDTH
        return low if low < self.count and held[at : at + WIDTH] == digest else None

    def code(self, place: int) -> int:
        """The number of the standing in a row."""
        at = self._codes + place * CODE
        return int.from_bytes(self._held[at : at + CODE], "little")

    def set_code(self, place: int, code: int) -> None:
        at = self._codes + place * CODE
        self._held[at : at + CODE] = code.to_bytes(CODE, "little")


def digest_bytes(subject: str) -> bytes | None:
    """A subject's digest as bytes; None if the subject is no digest of an object version."""
    try:
        digest = bytes.fromhex(subject)
    except ValueError:
        return None
    return digest if len(digest) == WIDTH and digest.hex() == subject else None


class Packed:
    """Decided versions of many days. A day is written as in a key: `2026-01-31`."""

    def __init__(self) -> None:
        self.days: dict[str, Day] = {}
        self._standings: list[Standing] = []
        self._codes: dict[Standing, int] = {}

    def __len__(self) -> int:
        return sum(day.count for day in self.days.values())

    def find(self, day: str, subject: str) -> Standing | None:
        """The standing of a version; None if it is not here.

        :param day: the day in the decisions' identity.
        :param subject: the subject in it.
        """
        digest = digest_bytes(subject)
        return None if digest is None else self.of_digest(day, digest)

    def of_digest(self, day: str, digest: bytes) -> Standing | None:
        """The standing of the version with this digest; None if it is not here."""
        rows = self.days.get(day)
        place = None if rows is None else rows.place(digest)
        return None if rows is None or place is None else self._standings[rows.code(place)]

    def note(self, day: str, subject: str, outcome: str) -> None:
        """Add an unusual outcome to a version, if it is here.

        :param day: the day in the decisions' identity.
        :param subject: the subject in it.
        :param outcome: the outcome.
        """
        rows, digest = self.days.get(day), digest_bytes(subject)
        place = None if rows is None or digest is None else rows.place(digest)
        if rows is not None and place is not None:
            known = self._standings[rows.code(place)]
            rows.set_code(place, self._code(known._replace(outcomes=known.outcomes | {outcome})))

    def put(self, day: str, found: Iterable[tuple[str, Standing]]) -> None:
        """Set the versions of a day: their subjects, in ascending order, and standings."""
        held, codes = bytearray(), bytearray()
        for subject, standing in found:
            if (digest := digest_bytes(subject)) is not None:
                held += digest
                codes += self._code(standing).to_bytes(CODE, "little")
        self.days[day] = Day(held + codes, 0, len(codes) // CODE)

    def _code(self, standing: Standing) -> int:
        code = self._codes.setdefault(standing, len(self._standings))
        if code == len(self._standings):
            self._standings.append(standing)
        return code

    def dump(self, about: dict[str, Any]) -> bytearray:
        """Content for a file, with facts about it, that `parse` reads."""
        days = sorted(self.days)
        standings = [[standing.variants, sorted(standing.outcomes)] for standing in self._standings]
        head = {"about": about, "days": {day: self.days[day].count for day in days}, "standings": standings}
        body = bytearray(32) + json.dumps(head).encode() + b"\n"
        for day in days:
            body += self.days[day].content
        body[:32] = sha256(memoryview(body)[32:]).digest()
        return body

    @classmethod
    def parse(cls, body: bytearray) -> tuple[Packed, dict[str, Any]]:
        """What `dump` wrote, and the facts about it. The content is used where it is, not copied.

        :raises ValueError: it is damaged.
        """
        if sha256(memoryview(body)[32:]).digest() != body[:32]:
            raise ValueError("the checksum differs")
        begin = body.index(b"\n", 32) + 1
        head = json.loads(body[32:begin])
        packed = cls()
        for variants, outcomes in head["standings"]:
            packed._code(Standing(tuple(map(Variant, variants)), frozenset(outcomes)))
        for day, count in head["days"].items():
            packed.days[day] = Day(body, begin, count)
            begin += count * (WIDTH + CODE)
        if begin != len(body):
            raise ValueError("its days have another size")
        return packed, head["about"]
