"""Where objects land, and their versions there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice, takewhile
from operator import attrgetter

from iris_core.store.markers import is_marker
from iris_core.store.objects import ObjectStore
from iris_core.store.versions import ListedVersion, ObjectVersion


@dataclass(frozen=True)
class Source:
    """Where objects land: one key, or every key below a prefix that ends in `/`."""

    bucket: str
    key: str

    def matches(self, key: str, size: int | None = None) -> bool:
        """Whether an object with this key belongs here; below a prefix, markers and hidden files never do."""
        if self.key.endswith("/"):
            return key.startswith(self.key) and not is_marker(key.removeprefix(self.key), size)
        return key == self.key

    def by_key(self, store: ObjectStore) -> Iterator[tuple[str, list[ListedVersion]]]:
        """Each key with its versions, newest first; holds the versions of one key at a time."""
        versions = store.versions(self.bucket, self.key)
        listed = (item for item in versions if self.matches(item.key, item.size))
        for key, versions in groupby(listed, key=attrgetter("key")):
            yield key, list(versions)

    def landed_since(self, store: ObjectStore, since: datetime) -> Iterator[list[ListedVersion]]:
        """The versions of each key that landed since a time, newest first.

        Of a source of one key no more is listed, below a prefix everything is.
        """
        limit = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
        listed: Iterator[Iterable[ListedVersion]] = iter([self._of_key(store, self.key)])
        if self.key.endswith("/"):
            listed = (versions for _, versions in self.by_key(store))
        for versions in listed:
            if found := list(takewhile(lambda item: item.modified >= limit, versions)):
                yield found

    def versions_of(self, store: ObjectStore, key: str) -> list[ListedVersion]:
        """The versions of one key, newest first."""
        return list(self._of_key(store, key))

    def _of_key(self, store: ObjectStore, key: str) -> Iterator[ListedVersion]:
        """The versions of one key as they are listed; its longer namesakes come after it."""
        listed = takewhile(lambda item: item.key == key, store.versions(self.bucket, key))
        return (item for item in listed if self.matches(key, item.size))

    def newest(self, store: ObjectStore) -> ObjectVersion | None:
        """The current version that landed last, among all keys; None if there is none."""
        listed: Iterator[ListedVersion]
        if self.key.endswith("/"):
            listed = (versions[0] for _, versions in self.by_key(store))
        else:
            listed = islice(self._of_key(store, self.key), 1)
        current = (item for item in listed if item.is_current)
        newest = max(current, key=attrgetter("landed_at"), default=None)
        return newest.object if newest else None
