"""What a run looks at: everything that has landed, or what the events that started it name.

State decides either way. A look at named objects costs the same however much has been decided before; a look
at everything finds what no event named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iris_core.errors import ObjectMissing
from iris_core.ledger.owed import Source
from iris_core.store.versions import Address, parse_address

SHOWN = 5
"""So many addresses are shown first, for people."""
MOST_BYTES = 16_000
"""Most bytes of the addresses that one event names. Airflow gives every task of a run all events that started
the run, and keeps them in its database."""


@dataclass(frozen=True)
class Look:
    """The part of the owed work that a run looks for.

    :param named: addresses of objects, or paths of records; None stands for everything.
    :param is_model_new: whether a model was staged, so that objects may be owed again.
    """

    named: frozenset[str] | None = None
    is_model_new: bool = False

    def keys(self, source: Source) -> list[str]:
        """Keys of the named objects that land in a source, in lexical order."""
        found = {address.key for address in self.addresses if address.bucket == source.bucket}
        return sorted(key for key in found if source.matches(key))

    @property
    def addresses(self) -> set[Address]:
        """The named addresses; what is no address of an object is left out."""
        return {address for name in self.named or () if (address := _address(name))}


EVERYTHING = Look()


def announced(names: Iterable[str], **more: Any) -> dict[str, Any]:
    """Content of an event that names objects or records: their number, the newest, then all others.

    Without `others` the event does not name all, and a run that it starts looks at everything.

    :param names: their addresses or paths, oldest first.
    :param more: further content, which comes first.
    """
    known = list(dict.fromkeys(names))
    told = {**more, "objects": len(known), "newest": known[-SHOWN:]}
    is_short = sum(len(name.encode()) for name in known) <= MOST_BYTES
    return {**told, "others": known[:-SHOWN]} if is_short else told


def look_at(events: Iterable[Mapping[str, Any]], **more: Any) -> Look:
    """The look that events ask for: at everything if one of them does not name all that it is about.

    :param events: the contents of the events.
    :param more: further fields of the look.
    """
    named: set[str] = set()
    for event in events:
        newest, others = event.get("newest"), event.get("others")
        if not isinstance(newest, list) or not isinstance(others, list):
            return EVERYTHING
        named.update(map(str, (*newest, *others)))
    return Look(frozenset(named), **more)


def _address(name: str) -> Address | None:
    try:
        return parse_address(name)
    except ObjectMissing:
        return None
