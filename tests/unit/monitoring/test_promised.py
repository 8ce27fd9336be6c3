"""What is late: random histories, and a plain account of what each upload waits for beside them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from iris_core.errors import AlertUndelivered, NothingOwed
from iris_core.ledger import Actor, Identity, Kind, Ledger, Record
from iris_core.ledger.records.action import AlertRecord, LateRecord
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import (
    FailedRecord,
    RejectedRecord,
    ReopenedRecord,
    SupersededRecord,
    UnchangedRecord,
)
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import late, promised
from iris_core.monitoring.late import note_late, tell_late
from iris_core.settings.variables import load_settings
from iris_core.store.versions import ObjectVersion
from tests.drifting import Channel
from tests.memory import MemoryStore
from tests.records import asking, like
from tests.unit.ledger.test_looks import BUCKET, Clock, clock

pytestmark = pytest.mark.unit

__all__ = ["clock"]
SETTINGS = load_settings({"TEAM_S3_BUCKET": BUCKET, "TEAM_S3_TEST_KEY": "iris/in/", "VERDICT_WITHIN": "15m"})
WITHIN = timedelta(minutes=15)
PLACES: dict[Kind, tuple[str, ...]] = {
    "training": (SETTINGS.train_key,),
    "scoring": ("iris/in/a.csv", "iris/in/b.csv"),
    "performance": ("iris/labels/a.csv", "iris/labels/b.csv"),
}
ENDS: dict[Kind, tuple[type[Record], ...]] = {
    "training": (RejectedRecord, FailedRecord, UnchangedRecord, SupersededRecord),
    "scoring": (RejectedRecord, FailedRecord, UnchangedRecord, SupersededRecord),
    "performance": (RejectedRecord, FailedRecord, UnchangedRecord, SupersededRecord, MeasuredRecord),
}


@pytest.fixture(autouse=True)
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late, "datetime", Clock)


def open_world(**variables: str) -> Workspace:
    store = MemoryStore()
    settings = load_settings(
        {
            "TEAM_S3_BUCKET": BUCKET,
            "TEAM_S3_TEST_KEY": "iris/in/",
            "VERDICT_WITHIN": "15m",
            **variables,
        }
    )
    return Workspace(settings, store, Ledger(store, BUCKET, "dev"), Actor())


@dataclass
class Upload:
    """What became of an upload: `since` is when the promised time began, `half` its training or scoring."""

    kind: Kind
    version: ObjectVersion
    since: datetime
    half: Record | None = None
    is_decided: bool = False
    reopened: int = 0
    failed: Record | None = None
    records: int = 0


@dataclass
class History:
    """Uploads, and what the pipelines, people and time make of them."""

    seed: int
    world: Workspace = field(default_factory=open_world)
    uploads: list[Upload] = field(default_factory=list)
    late: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    @property
    def store(self) -> MemoryStore:
        assert isinstance(self.world.store, MemoryStore)
        return self.world.store

    def happen(self) -> None:
        Clock.moment += timedelta(seconds=self.dice.choice((1, 30, 200, 500)))
        happens = (self.land, self.decide, self.begin, self.conclude, self.reopen, self.delete)
        self.dice.choices(happens, (5, 3, 3, 3, 1, 1))[0]()

    def land(self) -> None:
        kind = self.dice.choice(list(PLACES))
        key, content = self.dice.choice(PLACES[kind]), f"e{len(self.uploads)}"
        Clock.moment += timedelta(seconds=1)
        version = self.store.land(BUCKET, key, content, Clock.moment)
        self.uploads.append(Upload(kind, version, version.landed_at))

    def _open(self, *, half: bool) -> Upload | None:
        found = [one for one in self.uploads if not one.is_decided and (one.half is not None) == half]
        return self.dice.choice(found) if found else None

    def commit(self, upload: Upload, what: type[Record]) -> Record:
        identity = Identity.of_object(upload.kind, upload.version, "v1-abc")
        identity = identity.again(upload.records) if upload.records else identity
        record = like(what, identity=identity, inputs={"object": upload.version}, at=Clock.now())
        if isinstance(record, TrainedRecord):
            outputs = record.outputs.model_copy(update={"run_id": f"{upload.version.digest}{upload.records}"})
            record = record.model_copy(update={"outputs": outputs})
        assert self.world.ledger.commit(record).won
        upload.records += 1
        return record

    def decide(self) -> None:
        """The work on an upload ends before anything is made of it."""
        if upload := self._open(half=False):
            what = self.dice.choice(ENDS[upload.kind])
            record = self.commit(upload, what)
            upload.is_decided, upload.failed = True, record if what is FailedRecord else None

    def begin(self) -> None:
        """A model is trained on an upload, or it is scored."""
        upload = self._open(half=False)
        if upload and upload.kind != "performance":
            upload.half = self.commit(upload, TrainedRecord if upload.kind == "training" else ScoredRecord)

    def conclude(self) -> None:
        """A model is judged or asked about, a scoring's drift is judged; models are judged in order."""
        upload = self._open(half=True)
        if upload is None:
            return
        made, upload.is_decided = upload.half, True
        if isinstance(made, ScoredRecord):
            drift = Identity.of_drift(made.identity, made.at)
            self.world.ledger.commit(like(BatchDriftRecord, identity=drift, at=Clock.now()))
        elif isinstance(made, TrainedRecord):
            verdict = Identity.of_verdict(made.run_id, made.at)
            asked = asking(identity=Identity.of_request(made.run_id, made.at), at=Clock.now())
            judged = like(VerdictRecord, identity=verdict, at=Clock.now())
            self.world.ledger.commit(self.dice.choice((judged, asked)))
            for other in self.uploads:
                if other.half and other.kind == "training" and other.since <= upload.version.landed_at:
                    other.is_decided = True

    def reopen(self) -> None:
        failed = [one for one in self.uploads if one.failed]
        if failed:
            upload = self.dice.choice(failed)
            self.commit(upload, ReopenedRecord)
            upload.failed, upload.is_decided = None, False
            upload.since, upload.reopened = Clock.moment, upload.reopened + 1

    def delete(self) -> None:
        if self.uploads:
            self.store.hide(self.dice.choice(self.uploads).version.key)

    def expect(self, now: datetime) -> None:
        """Note what is late by this account."""
        for one in self.uploads:
            gone = one.half is None and one.version.key in self.store.hidden
            if not one.is_decided and not gone and now - one.since > WITHIN:
                self.late.add(Identity.of_lateness(one.version, one.reopened).path)


def look(history: History, channels: dict[str, Any]) -> None:
    now = Clock.now()
    history.expect(now)
    note_late(history.world, now)
    try:
        tell_late(history.world, channels)
    except (NothingOwed, AlertUndelivered):
        return


@pytest.mark.parametrize("seed", range(8))
def test_what_is_late_is_told_once_and_nothing_else(seed: int) -> None:
    history, dice = History(seed), random.Random(seed)
    channels = {"a": Channel(), "b": Channel()}
    for _ in range(150):
        history.happen()
        if dice.random() < 0.5:
            channels["b"].failures = dice.choice((0, 0, 1))
            look(history, channels)
            found = {record.identity.path for record in history.world.ledger.recent_of(LateRecord)}
            assert found == history.late
    channels["b"].failures = 0
    look(history, channels)
    assert len(history.late) > 10
    records = list(history.world.ledger.recent_of(AlertRecord))
    told = sorted((record.evidence.channel, record.inputs.verdict) for record in records)
    assert told == sorted((name, path) for name in channels for path in history.late)
    for channel in channels.values():
        assert sum(1 + message.more for message in channel.got) == len(history.late)
        assert len({message.id for message in channel.got}) == len(channel.got)


class TestTheTime:
    def test_it_is_late_after_the_promised_time_and_not_before(self) -> None:
        world = open_world()
        version = land(world, "iris/in/a.csv")
        for minutes, expected in ((15, 0), (15.01, 1)):
            seen = note_late(world, version.landed_at + timedelta(minutes=minutes))
            assert [one.object for one in seen.waiting] == [version]
            assert len(list(world.ledger.recent_of(LateRecord))) == expected

    def test_it_begins_anew_when_it_is_opened_again(self) -> None:
        history = History(0)
        version = land(history.world, SETTINGS.train_key)
        upload = Upload("training", version, version.landed_at)
        Clock.moment += timedelta(hours=1)
        look(history, {})
        history.commit(upload, FailedRecord)
        history.commit(upload, ReopenedRecord)
        opened = Clock.now()
        for minutes, times in ((14, 1), (16, 2), (17, 2)):
            note_late(history.world, opened + timedelta(minutes=minutes))
            assert len(list(history.world.ledger.recent_of(LateRecord))) == times

    def test_nobody_waits_for_a_model_whose_successor_is_judged(self) -> None:
        history = History(0)
        for _ in range(2):
            version = land(history.world, SETTINGS.train_key)
            upload = Upload("training", version, version.landed_at)
            upload.half = history.commit(upload, TrainedRecord)
        history.uploads = [upload]
        history.conclude()
        assert note_late(history.world, Clock.now() + timedelta(hours=1)).waiting == []

    def test_nothing_is_promised_without_the_variable(self) -> None:
        with pytest.raises(NothingOwed, match="VERDICT_WITHIN"):
            note_late(open_world(VERDICT_WITHIN=""))

    def test_what_landed_long_ago_is_not_told(self) -> None:
        world = open_world()
        version = land(world, SETTINGS.train_key)
        long_ago = WITHIN + promised.HORIZON + timedelta(seconds=2)
        assert note_late(world, version.landed_at + long_ago).waiting == []


class TestMessages:
    def test_says_what_waits_for_what(self) -> None:
        world, channel = open_world(), Channel()
        version = land(world, SETTINGS.train_key)
        upload, history = Upload("training", version, version.landed_at), History(0, world)
        history.commit(upload, TrainedRecord)
        Clock.moment += timedelta(minutes=16)
        note_late(world)
        [told] = tell_late(world, {"a": channel})
        [message] = channel.got
        assert told["id"] == message.id
        assert message.title == "No verdict within 15m: s3://a-bucket/iris/iris_train.csv (team_a, dev)"
        assert (message.missing, message.data, message.within) == ("promotion", version.uri, "15m")
        [record] = world.ledger.recent_of(LateRecord)
        assert message.text.endswith(f"Ledger: {record.identity.path}")

    def test_many_are_one_message_and_each_has_its_record(self) -> None:
        world, channel = open_world(), Channel()
        for number in range(40):
            land(world, f"iris/in/{number}.csv")
        Clock.moment += timedelta(minutes=16)
        note_late(world)
        tell_late(world, {"a": channel})
        [message] = channel.got
        assert message.more == 39
        assert "39 more objects are late: iris ledger --outcome late" in message.text
        assert len(list(world.ledger.recent_of(AlertRecord))) == 40
        with pytest.raises(NothingOwed):
            tell_late(world, {"a": channel})


class TestCost:
    def test_follows_what_is_new(self) -> None:
        """A look after many decided uploads to one key asks about as often as after a tenth of them."""
        costs = []
        for uploads in (60, 600):
            history = History(0)
            for _ in range(uploads):
                upload = Upload("training", land(history.world, SETTINGS.train_key), Clock.moment)
                history.uploads = [upload]
                history.begin()
                history.conclude()
                Clock.moment += timedelta(hours=3)
            note_late(history.world, Clock.now())
            before = history.store.requests.copy()
            assert note_late(history.world, Clock.now()).waiting == []
            costs.append((history.store.requests - before).total())
        assert costs[1] <= costs[0] + 3, costs

    def test_a_large_prefix_is_listed_less_often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(promised, "LISTED", 2)
        history = History(0)
        for number in range(4):
            upload = Upload("scoring", land(history.world, f"iris/in/{number}.csv"), Clock.moment)
            history.commit(upload, RejectedRecord)
        late_one = land(history.world, "iris/in/x.csv")
        begin = Clock.moment.replace(minute=0, second=0) + timedelta(hours=3)
        seen = [note_late(history.world, begin + timedelta(minutes=minute)) for minute in range(6)]
        assert [one.is_all for one in seen].count(True) == 2
        assert [[w.object for w in one.waiting] for one in seen if one.is_all] == [[late_one]] * 2


def land(world: Workspace, key: str) -> ObjectVersion:
    assert isinstance(world.store, MemoryStore)
    Clock.moment += timedelta(seconds=1)
    return world.store.land(BUCKET, key, f"e{world.store.puts}", Clock.moment)


def test_two_looks_at_once_leave_one_record() -> None:
    world = open_world()
    land(world, SETTINGS.train_key)
    Clock.moment += timedelta(hours=1)
    now = Clock.now()
    seen = promised.look(world, WITHIN, now).late(WITHIN, now)
    for actor in ("one", "two"):
        late._note(
            replace(world, actor=Actor(owner=actor)), Identity.of_lateness(seen[0].object), seen[0], WITHIN
        )
    [record] = world.ledger.recent_of(LateRecord)
    assert record.by.owner == "one"
