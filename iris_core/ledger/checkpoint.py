"""Checkpoints: what a full look would find in the ledger's listings, up to a time, in one object.

A checkpoint is derived from records and journal, and decides nothing. It proves that records are there; it
never proves that a record is not there. So a look asks the ledger about each version that the checkpoint does
not have, or that the journal names since. Without the checkpoint a look lists the whole ledger, and writes a
new one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, groupby

from iris_core.errors import ObjectMissing, StoreError
from iris_core.ledger.identity import Kind, Variant
from iris_core.ledger.ledger import Ledger
from iris_core.ledger.packed import Packed, Standing

log = logging.getLogger(__name__)

SLACK = timedelta(hours=2)
"""Journal entries of so long before a checkpoint are read again: by then, an attempt has written its entry.
A store refuses requests of a host whose clock is a quarter of an hour off."""
LONGEST = timedelta(days=7)
"""After this time a checkpoint is made anew from listings alone: so a record that somebody has deleted from
the ledger is missed."""
WORTH = 1000
"""So many decisions since the last checkpoint make a new one worth while."""


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


@dataclass
class Recent:
    """Versions whose decisions a checkpoint may lack, by day and subject, and their unusual outcomes."""

    outcomes: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def note(self, day: str, subject: str, outcomes: frozenset[str]) -> None:
        """Note that a version was decided with these unusual outcomes."""
        self.outcomes[day, subject] = self.outcomes.get((day, subject), frozenset()) | outcomes


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoint of one kind of decision.

    :param ledger: the ledger.
    :param kind: the kind of decision.
    :param unusual: the outcomes that a look must know of.
    :param worth: so many new decisions make a new checkpoint worth while.
    """

    ledger: Ledger
    kind: Kind
    unusual: frozenset[str]
    worth: int = WORTH

    def newest(self, now: datetime) -> tuple[Packed, Recent]:
        """What a checkpoint has, renewed and stored if that is worth while, and what was decided since."""
        stored = self._stored(now)
        recent = self._since(stored, self.worth)
        if recent is not None and (stored.until == NOTHING or now - stored.listed <= LONGEST):
            return stored.packed, recent
        made = self._made(stored, now)
        self._keep(made)
        return made.packed, self._since(made) or Recent()

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
        recent = Recent()
        for day, subject, outcomes in self._lacking(known):
            recent.note(day, subject, outcomes)
            if most is not None and len(recent.outcomes) > most:
                return None
        return recent

    def _lacking(self, known: Checkpoint) -> Iterator[tuple[str, str, frozenset[str]]]:
        """Decisions that a checkpoint may lack: day, subject and unusual outcome, if it has one."""
        since = None if known.until == NOTHING else known.until
        for outcome, day, subject, variant in self.ledger.decided_since(self.kind, since):
            outcomes = self.unusual & {outcome}
            found = known.packed.find(day, subject)
            if not (found and variant in found.variants and outcomes <= found.outcomes):
                yield day, subject, outcomes

    def _made(self, known: Checkpoint, now: datetime) -> Checkpoint:
        """A checkpoint from the stored one and listings of the days with newer decisions, or of all days."""
        if known.until == NOTHING or now - known.listed > LONGEST:
            known = Checkpoint(NOTHING, now, Packed(), known.etag)
            keys = self.ledger.decided_keys(self.kind)
        else:
            days = sorted({day for day, _, _ in self._lacking(known)})
            keys = chain.from_iterable(self.ledger.decided_keys(self.kind, day) for day in days)
        packed = known.packed
        for day, found in groupby(keys, key=lambda item: item[0]):
            packed.put(day, standings(packed, found))
        for day, subject, outcomes in self._lacking(known):
            for outcome in outcomes:
                packed.note(day, subject, outcome)
        return replace(known, until=now - SLACK)

    def _keep(self, made: Checkpoint) -> None:
        times = {name: getattr(made, name).isoformat() for name in ("until", "listed")}
        try:
            self.ledger.keep_checkpoint(self.kind, made.packed.dump({"of": self._of, **times}), made.etag)
        except StoreError as error:
            log.warning("The checkpoint of %s is not stored, so full looks take longer: %s", self._of, error)


def standings(packed: Packed, found: Iterable[tuple[str, str, Variant]]) -> Iterator[tuple[str, Standing]]:
    """Subjects of a day and their standings, with the outcomes that are known so far.

    :param packed: what is known so far.
    :param found: day, subject and variant of records, in lexical order.
    """
    for (day, subject), keys in groupby(found, key=lambda item: item[:2]):
        known = packed.find(day, subject)
        yield subject, Standing(tuple(key[2] for key in keys), known.outcomes if known else frozenset())
