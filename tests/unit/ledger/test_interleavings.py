"""Model check: every interleaving of uploads, deletions, looks and commits leaves the newest content decided.

`reconcile`, `supersede_older` and `unaccounted` are the real ones, on a real `Ledger`. Only the bucket is one
in memory: every call of a worker to it is a step that others may come between. In each state that can come
about whoever is at work may die: what is still owed is worked off, and then must hold:

- the model that is staged (of those trained, that of the object which landed last) was trained on the newest
  sound content; where it is scored, that content was scored last;
- every version that is listed has a record, and no watcher announces anything any more;
- until then a watcher announces something, whatever events were lost, and what is deleted is not worked on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product
from typing import Any, Self, TypeVar

import pytest

from iris_core.errors import ObjectMissing
from iris_core.ledger import Actor, Ledger
from iris_core.ledger.owed import Pending, unaccounted
from iris_core.ledger.reconcile import Scope, reconcile, supersede_older
from iris_core.ledger.records import base, parse
from iris_core.ledger.records.objects import ObjectRecord, RejectedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.source import Source
from iris_core.ledger.workspace import Workspace
from iris_core.settings.variables import load_settings
from iris_core.store.objects import ObjectStore, StoreAccess
from iris_core.store.versions import ListedVersion, ObjectVersion
from tests.records import like

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
BUCKET, KEY = "a-bucket", "iris/train.csv"
BAD = "x"
"""Content that is rejected."""
SETTINGS = load_settings({"TEAM_S3_BUCKET": BUCKET})
TRAINING = Scope("training", Source(BUCKET, KEY), like(TrainedRecord).inputs.config)
SCORING = Scope("scoring", Source(BUCKET, KEY), like(ScoredRecord).inputs.model)


@dataclass(frozen=True)
class Bucket:
    """One key's versions, newest first, whether a delete marker hides them, and the ledger."""

    versioned: bool
    versions: tuple[ObjectVersion, ...] = ()
    puts: int = 0
    deletes: int = 0
    hidden: bool = False
    ledger: tuple[tuple[str, bytes], ...] = ()

    def put(self, content: str) -> Bucket:
        landed = BEGIN + timedelta(seconds=self.puts)
        number = f"v{self.puts}" if self.versioned else None
        version = ObjectVersion(
            bucket=BUCKET, key=KEY, version_id=number, etag=content, size=1, landed_at=landed
        )
        older = self.versions if self.versioned else ()
        return replace(self, versions=(version, *older), puts=self.puts + 1, hidden=False)

    def delete(self) -> Bucket:
        if not self.versioned:
            return replace(self, versions=(), deletes=self.deletes + 1)
        return replace(self, hidden=True, deletes=self.deletes + 1)

    def undelete(self) -> Bucket:
        return replace(self, hidden=False)

    def listed(self) -> tuple[ListedVersion, ...]:
        return tuple(
            ListedVersion.of(version, place == 0 and not self.hidden)
            for place, version in enumerate(self.versions)
        )

    @property
    def key(self) -> int:
        """What tells states of the bucket apart."""
        ledger = frozenset((_plain(key), _about(body)) for key, body in self.ledger)
        return hash((self.versions, self.puts, self.deletes, self.hidden, ledger))

    @property
    def sound(self) -> str | None:
        """The newest content that can be used; None where there is none."""
        current = () if self.hidden else self.versions
        return next((version.etag for version in current if version.etag != BAD), None)

    @property
    def decided(self) -> int:
        """Decisions that were made: the clock. What is tried again before another one is the same try."""
        return sum("/journal/" not in key for key, _ in self.ledger)

    def records(self) -> list[ObjectRecord]:
        found = [PARSED(body) for key, body in self.ledger if "/journal/" not in key]
        return [record for record in found if isinstance(record, ObjectRecord)]


PARSED = lru_cache(100_000)(parse)


Answer = TypeVar("Answer")


class Elsewhere(BaseException):
    """The worker has made its call; others may come before its next one."""


class Calls(ObjectStore):
    """A bucket as one worker sees it: first the answers of `trace`, then so many more calls are made.

    :param fine: whether reading the ledger is a call of its own, or one with the call before it.
    """

    def __init__(
        self, bucket: Bucket, trace: tuple[Any, ...] = (), more: int = -1, fine: bool = True
    ) -> None:
        super().__init__(StoreAccess("http://nowhere", "", ""))
        self.bucket = bucket
        self.trace = list(trace)
        self._place = 0
        self._more = more
        self._fine = fine

    def _ask(self, answer: Callable[[], Answer], counts: bool = True) -> Answer:
        if self._place == len(self.trace):
            if counts and self._more == 0:
                raise Elsewhere
            self._more -= counts
            self.trace.append(answer())
        self._place += 1
        known: Answer = self.trace[self._place - 1]
        return known

    def now(self) -> datetime:
        return self._ask(lambda: BEGIN + timedelta(hours=1, seconds=self.bucket.decided), counts=False)

    def versions(
        self, bucket: str, prefix: str, after: str = "", page_size: int = 1000
    ) -> Iterator[ListedVersion]:
        return iter(self._ask(self.bucket.listed))

    def keys(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[str]:
        found = self._ask(
            lambda: tuple(sorted(key for key, _ in self.bucket.ledger if key.startswith(f"{prefix}/"))),
            counts=self._fine,
        )
        return (key for key in found if after is None or key > after)

    def folders(self, bucket: str, prefix: str) -> list[str]:
        return sorted({key.removeprefix(f"{prefix}/").split("/")[0] for key in self.keys(bucket, prefix)})

    def head(self, bucket: str, key: str, version_id: str | None = None) -> ObjectVersion:
        raise ObjectMissing(key)  # a ledger so short has no checkpoint

    def get(self, bucket: str, key: str) -> bytes:
        # What is there never changes: whoever comes in between makes no difference to this call.
        is_there = any(key == known for known, _ in self.bucket.ledger)
        found = self._ask(lambda: dict(self.bucket.ledger).get(key), counts=self._fine and not is_there)
        if found is None:
            raise ObjectMissing(key)
        return found

    def create(self, bucket: str, key: str, data: bytes, content_type: str) -> bool:
        def answer() -> bool:
            if key in dict(self.bucket.ledger):
                return False
            self.bucket = replace(self.bucket, ledger=(*self.bucket.ledger, (key, data)))
            return True

        return self._ask(answer, counts="/journal/" not in key)


class Clock(datetime):
    """Tells the time of whose call it is; the same again when the calls before are repeated."""

    asked: Calls

    @classmethod
    def now(cls, tz: Any = None) -> Self:
        return cls.fromtimestamp(cls.asked.now().timestamp(), UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "datetime", Clock)
    monkeypatch.setattr("tests.records.datetime", Clock)
    # The same is asked a million times.
    monkeypatch.setattr("iris_core.ledger.ledger.parse", PARSED)
    monkeypatch.setattr(ObjectVersion, "digest", property(lru_cache(ObjectVersion.digest.fget)))  # type: ignore[attr-defined]


def on(calls: Calls) -> Workspace:
    Clock.asked = calls
    return Workspace(SETTINGS, calls, Ledger(calls, BUCKET, "dev"), Actor())


Work = tuple[Pending, ...]


def look(calls: Calls, scope: Scope) -> Work:
    """What a run takes: of training the newest, of scoring all."""
    owed = reconcile(on(calls), scope).owed
    return tuple(owed[-1:] if scope is TRAINING else owed)


def decide(calls: Calls, scope: Scope, work: Work) -> None:
    """Work off what a run took, as `train` and `publish` do."""
    workspace = on(calls)
    made = TrainedRecord if scope is TRAINING else ScoredRecord
    for one in work:
        if workspace.ledger.get(one.identity):
            continue
        what: type[ObjectRecord] = RejectedRecord if one.object.etag == BAD else made
        record = like(what, identity=one.identity, by=workspace.actor, inputs={"object": one.object})
        if isinstance(workspace.ledger.commit(record).record, made):
            supersede_older(workspace, scope, one.object)


@dataclass(frozen=True)
class Worker:
    """What a worker does, and what its calls have been answered so far."""

    does: str = "nothing"
    work: Work = ()
    trace: tuple[Any, ...] = ()


IDLE = Worker()
State = tuple[Bucket, tuple[Worker, ...]]


@dataclass
class Check:
    """Visits every state that can be reached, and checks what comes of it when nothing else lands.

    :param uploads: the content of each.
    :param deletes: how often the key is deleted at most, at any time.
    """

    scope: Scope
    uploads: str
    deletes: int
    fine: bool = True
    visited: int = 0
    settled: int = 0

    def run(self, start: State) -> None:
        seen = {self._key(start)}
        rested: set[int] = set()
        waiting = [start]
        while waiting:
            state = waiting.pop()
            self.visited += 1
            if state[0].key not in rested:
                rested.add(state[0].key)
                self._settle(state[0])
            for after in self._next(*state):
                if (key := self._key(after)) not in seen:
                    seen.add(key)
                    waiting.append(after)

    @staticmethod
    def _key(state: State) -> int:
        """Of states that differ in a commit's id, or in which worker does what, one is enough."""
        bucket, workers = state
        mine = sorted(hash((one.does, one.work, tuple(map(_about, one.trace)))) for one in workers)
        return hash((bucket.key, tuple(mine)))

    def _next(self, bucket: Bucket, workers: tuple[Worker, ...]) -> Iterator[State]:
        if bucket.puts < len(self.uploads):
            yield bucket.put(self.uploads[bucket.puts]), workers
        if bucket.deletes < self.deletes and bucket.sound and not bucket.hidden:
            yield bucket.delete(), workers
        if bucket.hidden:
            yield bucket.undelete(), workers
        for place, worker in enumerate(workers):
            for after, then in self._step(bucket, worker):
                yield after, (*workers[:place], then, *workers[place + 1 :])

    def _step(self, bucket: Bucket, worker: Worker) -> Iterator[tuple[Bucket, Worker]]:
        calls = Calls(bucket, worker.trace, more=1, fine=self.fine)
        try:
            if worker.does == "work":
                decide(calls, self.scope, worker.work)
                yield calls.bucket, IDLE
            else:
                work = look(calls, self.scope)
                yield calls.bucket, Worker("work", work) if work else IDLE
        except Elsewhere:
            does = "work" if worker.does == "work" else "look"
            yield calls.bucket, Worker(does, worker.work, tuple(calls.trace))

    def _settle(self, bucket: Bucket) -> None:
        self.settled += 1
        for _ in range(12):
            calls = Calls(bucket)
            announced = self._announced(bucket)
            if not (work := look(calls, self.scope)):
                break
            assert announced, f"nobody is told of {work} in {_told(bucket)}"
            assert not bucket.hidden, f"deleted, and worked on: {_told(bucket)}"
            decide(calls, self.scope, work)
            bucket = calls.bucket
        else:
            pytest.fail(f"never settled: {_told(bucket)}")
        bucket = calls.bucket
        assert not self._announced(bucket), f"announced for ever: {_told(bucket)}"
        made = [r for r in bucket.records() if isinstance(r, TrainedRecord | ScoredRecord)]
        last = max(made, key=lambda record: (record.about.landed_at, record.at), default=None)
        if bucket.sound:
            assert last, _told(bucket)
            assert last.about.etag == bucket.sound, _told(bucket)
        recorded = {record.subject for record in bucket.records()}
        assert {version.digest for version in bucket.versions} <= recorded, _told(bucket)

    def _announced(self, bucket: Bucket) -> list[ObjectVersion]:
        workspace = on(Calls(bucket))
        return list(unaccounted(workspace.store, workspace.ledger, self.scope.kind, self.scope.source))


def _about(answer: Any) -> Any:
    """An answer as far as it can matter to what is done with it."""
    if isinstance(answer, bytes):
        return _told_by(answer)
    if isinstance(answer, tuple) and answer and isinstance(answer[0], str):
        return frozenset(map(_plain, answer))
    return answer


@lru_cache(100_000)
def _plain(key: str) -> str:
    """A key; of a journal's entry without its time, which a try that came to nothing alone remembers."""
    return re.sub(r"(/journal/\w+/).*?~", r"\1", key)


@lru_cache(100_000)
def _told_by(body: bytes) -> tuple[str, str, datetime] | None:
    """A record without its commit's id."""
    record = PARSED(body) if body else None
    return (record.identity.path, record.outcome, record.at) if record else None


def _told(bucket: Bucket) -> str:
    """A state that is wrong, for whoever mends it."""
    versions = [f"{version.version_id or version.landed_at:}={version.etag}" for version in bucket.versions]
    records = [f"{r.outcome} {r.about.version_id}={r.about.etag} as {r.variant}" for r in bucket.records()]
    return f"versions {versions}{' (deleted)' if bucket.hidden else ''}; records {records}"


def sequences(length: int) -> list[str]:
    """Contents of so many uploads; of two that differ in names only, the one that begins with `a`."""
    found = ("".join(contents) for contents in product("ab" + BAD, repeat=length))
    return [one for one in found if "b" not in one or "a" in one[: one.index("b")]]


def visit(scope: Scope, versioned: bool, uploads: Iterable[str], deletes: int, fine: bool = False) -> str:
    """Check every sequence of uploads; tells how much was looked at."""
    checks = [Check(scope, one, deletes, fine) for one in uploads]
    for check in checks:
        check.run((Bucket(versioned), (IDLE, IDLE)))
    states, settled = sum(check.visited for check in checks), sum(check.settled for check in checks)
    return f"{states:,} states of {len(checks)} sequences of uploads, {settled:,} of them worked off"


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Shows a line although the test passes."""

    def show(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")

    return show


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
class TestTheNewestSoundContent:
    @pytest.mark.parametrize("scope", [TRAINING, SCORING], ids=["training", "scoring"])
    def test_of_three_uploads(self, scope: Scope, versioned: bool, tell: Callable[[str], None]) -> None:
        tell(visit(scope, versioned, sequences(3), deletes=0))

    @pytest.mark.slow
    @pytest.mark.parametrize("uploads", sequences(3))
    def test_of_three_uploads_and_a_deletion(
        self, uploads: str, versioned: bool, tell: Callable[[str], None]
    ) -> None:
        tell(visit(TRAINING, versioned, [uploads], deletes=1))

    @pytest.mark.slow
    @pytest.mark.parametrize("uploads", [*sequences(2), "aba", f"a{BAD}{BAD}"])
    def test_where_the_ledger_changes_while_it_is_read(
        self, uploads: str, versioned: bool, tell: Callable[[str], None]
    ) -> None:
        tell(visit(TRAINING, versioned, [uploads], deletes=0, fine=True))

    @pytest.mark.slow
    @pytest.mark.parametrize("uploads", [one for one in sequences(4) if one[-1] in one[:-1] and "b" in one])
    def test_of_four_uploads_of_which_the_last_comes_back(
        self, uploads: str, versioned: bool, tell: Callable[[str], None]
    ) -> None:
        tell(visit(TRAINING, versioned, [uploads], deletes=0))
