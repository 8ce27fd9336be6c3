"""What a run looks at: everything that has landed, or what the events that started it name.

State decides either way. A look at named objects costs the same however much has been decided before; a look
at everything finds what no event named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iris_core.errors import ObjectMissing
from iris_core.ledger.source import Source
from iris_core.store.versions import Address, parse_address

SHOWN = 5
"""So many addresses are shown first, for people."""
MOST_BYTES = 48_000
"""Most bytes of the addresses that one event names: about 500 addresses. Airflow keeps events in its database
and gives them to each task of the run that they start, like XComs, which should hold at most 64 KB."""


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


def announced(names: Iterable[str], are_all: bool = True) -> dict[str, Any]:
    """Content of an event that names objects or records: their number, the newest, then all others.

    Without `others` the event does not name all, and a run that it starts looks at everything.

    :param names: their addresses or paths, oldest first.
    :param are_all: whether they are all that the event is about.
    """
    known = list(dict.fromkeys(names))
    told = {"objects": len(known), "newest": known[-SHOWN:]}
    is_short = sum(len(name.encode()) for name in known) <= MOST_BYTES
    return {**told, "others": known[:-SHOWN]} if are_all and is_short else told


def look_of(
    events: Iterable[tuple[str, Mapping[str, Any]]], wanted: Collection[str], staged: str = ""
) -> Look:
    """The look that events ask for: at everything if one of them does not name all it is about.

    :param events: the asset and the content of each event that started a run.
    :param wanted: the assets whose events name what is looked for.
    :param staged: the asset whose events say that a model was staged.
    """
    named: set[str] = set()
    assets: set[str] = set()
    for asset, content in events:
        newest, others = content.get("newest"), content.get("others")
        if not isinstance(newest, list) or not isinstance(others, list):
            return EVERYTHING
        assets.add(asset)
        named.update(map(str, (*newest, *others)) if asset in wanted else ())
    return Look(frozenset(named), staged in assets) if assets else EVERYTHING


def _address(name: str) -> Address | None:
    try:
        return parse_address(name)
    except ObjectMissing:
        return None
