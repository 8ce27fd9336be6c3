"""Checkpoints: what a full look would find in the ledger's listings, up to a time, in one object.

A checkpoint is derived from records and journal, and decides nothing. It proves that records are there; it
never proves that a record is not there. So a look asks the ledger about each version that the checkpoint does
not have, or that the journal names since. Without the checkpoint a look lists the whole ledger, and writes a
new one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from iris_core.errors import ObjectMissing, StoreError
from iris_core.ledger.identity import Kind, Variant
from iris_core.ledger.ledger import Ledger
from iris_core.ledger.packed import NONE, Packed, Standing

log = logging.getLogger(__name__)

SLACK = timedelta(hours=2)
"""Journal entries of so long before a checkpoint are read again: by then, an attempt has written its entry.
A store refuses requests of a host whose clock is a quarter of an hour off."""
LONGEST = timedelta(days=7)
"""After this time a checkpoint is made anew from listings alone: so a record that somebody has deleted from
the ledger is missed."""
WORTH = 1000
"""So many decisions since the last checkpoint make a new one worth while."""
MOST = 20
"""A checkpoint is made anew from listings if it lacks more than so many times as many decisions."""
NOTHING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Checkpoint:
    """The decisions whose journal entries are older than `until`, and perhaps younger ones.

    :param until: the time.
    :param listed: when it was last made from listings alone.
    :param packed: the decided versions.
    :param etag: that of the stored checkpoint; "" if there is none.
    """

    until: datetime
    listed: datetime
    packed: Packed
    etag: str = ""


Recent = dict[tuple[str, str], Standing]
"""By day and subject: the decisions that the journal names and a checkpoint may lack."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoint of one kind of decision.

    :param ledger: the ledger.
    :param kind: the kind of decision.
    :param unusual: the outcomes that a look must know of.
    """

    ledger: Ledger
    kind: Kind
    unusual: frozenset[str]

    def newest(self, now: datetime) -> tuple[Packed, Recent]:
        """What a checkpoint has, renewed and stored if that is worth while, and what was decided since."""
        stored = self._stored(now)
        recent = self._since(stored, MOST * WORTH)
        is_old = stored.until != NOTHING and now - stored.listed > LONGEST
        if recent is not None and len(recent) <= WORTH and not is_old:
            return stored.packed, recent
        if recent is None or is_old or stored.until == NOTHING:
            made = self._from_listings(now, stored.etag)
        else:
            made = self._renewed(stored, recent, now)
        self._keep(made)
        return made.packed, self._since(made) or {}

    def _stored(self, now: datetime) -> Checkpoint:
        """The stored checkpoint; an empty one if there is none that can be used."""
        etag = ""
        try:
            etag, body = self.ledger.checkpoint(self.kind)
            packed, about = Packed.parse(body)
            until, listed = (datetime.fromisoformat(about[name]) for name in ("until", "listed"))
            if about["of"] == self._of and until <= now:
                return Checkpoint(until, listed, packed, etag)
        except ObjectMissing:
            pass
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            log.warning("The checkpoint of %s is damaged (%s): it is made anew.", self._of, error)
        return Checkpoint(NOTHING, NOTHING, Packed(), etag)

    @property
    def _of(self) -> str:
        return f"{self.ledger.address}/{self.kind}"

    def _since(self, known: Checkpoint, most: int | None = None) -> Recent | None:
        """What the journal names that a checkpoint lacks; None if it is more than `most`."""
        recent: Recent = {}
        for outcome, day, subject, variant in self._entries(known.until):
            found, outcomes = known.packed.find(day, subject), self.unusual & {outcome}
            if found and variant in found.variants and outcomes <= found.outcomes:
                continue
            before = recent.get((day, subject), NONE)
            named = Standing((*before.variants, Variant(variant)), before.outcomes | outcomes)
            recent[day, subject] = named
            if most is not None and len(recent) > most:
                return None
        return recent

    def _entries(self, since: datetime) -> Iterator[tuple[str, str, str, str]]:
        return self.ledger.decided_since(self.kind, None if since == NOTHING else since)

    def _from_listings(self, now: datetime, etag: str) -> Checkpoint:
        """A checkpoint from listings of all records and of the whole journal."""
        packed = Packed()
        for day, found in groupby(self.ledger.decided_keys(self.kind), key=lambda item: item[0]):
            packed.put(
                day, ((subject, Standing(variants, NONE.outcomes)) for subject, variants in grouped(found))
            )
        for outcome, day, subject, _ in self._entries(NOTHING):
            if outcome in self.unusual:
                packed.note(day, subject, outcome)
        return Checkpoint(now - SLACK, now, packed, etag)

    def _renewed(self, known: Checkpoint, recent: Recent, now: datetime) -> Checkpoint:
        """A checkpoint from another one and listings of the days with newer decisions."""
        for day in sorted({day for day, _ in recent}):
            known.packed.put(day, self._of_day(known.packed, recent, day))
        return replace(known, until=now - SLACK)

    def _of_day(self, packed: Packed, recent: Recent, day: str) -> Iterator[tuple[str, Standing]]:
        """The versions of a day. One with a decision whose outcome is not known is left to later looks."""
        for subject, variants in grouped(self.ledger.decided_keys(self.kind, day)):
            known, named = packed.find(day, subject) or NONE, recent.get((day, subject), NONE)
            if {*variants} <= {*known.variants, *named.variants}:
                yield subject, Standing(variants, known.outcomes | named.outcomes)

    def _keep(self, made: Checkpoint) -> None:
        times = {name: getattr(made, name).isoformat() for name in ("until", "listed")}
        try:
            self.ledger.keep_checkpoint(self.kind, made.packed.dump({"of": self._of, **times}), made.etag)
        except StoreError as error:
            log.warning("The checkpoint of %s is not stored, so full looks take longer: %s", self._of, error)


def grouped(found: Iterable[tuple[str, str, Variant]]) -> Iterator[tuple[str, tuple[Variant, ...]]]:
    """The subjects of a day, each with its variants.

    :param found: day, subject and variant of the day's records, in lexical order.
    """
    for subject, keys in groupby(found, key=lambda item: item[1]):
        yield subject, tuple(variant for _, _, variant in keys)
