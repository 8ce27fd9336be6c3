"""Records are read as they are, and written as they were: tests/fixtures/ledger is what teams have."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from iris_core.drift.debounce import Debounced
from iris_core.drift.thresholds import SEVERITIES
from iris_core.ledger import JournalEntry, Outcome, Record
from iris_core.ledger.identity import kind_named
from iris_core.ledger.records import AnyRecord, parse
from iris_core.ledger.records.action import LateRecord
from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.promotion import AskedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from tests.records import FIXTURE, expect, stored

pytestmark = pytest.mark.unit

IN_WORDS = {"drift " + severity for severity in SEVERITIES} | {
    "training trained",
    "training rejected",
    "training superseded",
    "training unchanged",
    "training failed",
    "training reopened",
    "promotion promoted",
    "promotion refused",
    "promotion rolled back",
    "scoring scored",
    "scoring rejected",
    "scoring superseded",
    "scoring unchanged",
    "scoring failed",
    "scoring reopened",
    "performance measured",
    "performance unmatched",
    "performance rejected",
    "performance superseded",
    "performance unchanged",
    "performance failed",
    "performance reopened",
    "drift failed",
    "drift reopened",
    "action alerted",
    "action requested",
    "action stopped",
}


def read(body: dict[str, Any]) -> Record:
    return parse(json.dumps(body).encode())


def types() -> set[type[Record]]:
    return {get_args(member)[0] for member in get_args(get_args(AnyRecord)[0])}


class TestTheFixture:
    def test_has_every_decision_in_words(self) -> None:
        assert {f"{body['kind']} {body['outcome']}" for _, body in stored()} == IN_WORDS
        assert {type(read(body)) for _, body in stored()} == types() - {AskedRecord, LateRecord}
        assert {body["outcome"] for _, body in stored()} == {*Outcome, *SEVERITIES} - {
            Outcome.ASKED,
            Outcome.LATE,
        }

    def test_is_read_and_written_as_it_is(self) -> None:
        """Values, and the order of every name."""
        for key, body in stored():
            record = read(body)
            assert key == f"ledger/{key.split('/')[1]}/{record.identity.path}.json"
            assert json.dumps(json.loads(record.model_dump_json(indent=1))) == json.dumps(body), key
            assert json.dumps(record.model_dump(mode="json")) == json.dumps(body), key

    def test_is_written_as_it_was_when_it_is_made_anew(self) -> None:
        """From typed content alone, as the pipelines make it."""
        for key, body in stored():
            record = read(body)
            made = type(record)(**{name: getattr(record, name) for name in type(record).model_fields})
            assert json.dumps(json.loads(made.model_dump_json())) == json.dumps(body), key

    def test_leaves_nothing_untyped(self) -> None:
        """Every name that the pipelines write is declared; of rejections, what was found wrong is free."""
        for key, body in stored():
            record = read(body)
            for part in (record.inputs, record.outputs, record.evidence):
                is_free = part is record.evidence and record.outcome == Outcome.REJECTED
                assert is_free or not part.model_extra, (key, part.model_extra)

    def test_journal(self) -> None:
        names = (FIXTURE / "journal.txt").read_text(encoding="utf-8").split("\n")[:-1]
        by_path = {record.identity.path: record for record in (read(body) for _, body in stored())}
        lost = []
        for key in names:
            _, _, _, kind, name = key.split("/", 4)
            entry = JournalEntry.parse(kind_named(kind), name)
            assert entry.name == name
            standing = by_path[entry.identity.path]
            lost += [] if (standing.at, standing.outcome) == (entry.at, entry.outcome) else [entry]
        assert len(names) == len(stored()) + 1
        assert [entry.outcome for entry in lost] == ["trained"]


class TestTolerance:
    def test_what_is_not_known_is_kept(self) -> None:
        _, body = next(one for one in stored() if one[1]["outcome"] == "trained")
        older = {**body, "evidence": {**body["evidence"], "loss": 0.25}}
        assert read(older).model_dump(mode="json") == older

    def test_what_is_absent_has_its_default_and_stays_absent(self) -> None:
        _, body = next(one for one in stored() if one[1]["outcome"] == "scored")
        older = {**body, "evidence": {}, "outputs": {"predictions": body["outputs"]["predictions"]}}
        record = expect(ScoredRecord, read(older))
        assert (record.run_id, record.evidence.rows) == ("", 0)
        assert record.model_dump(mode="json") == older

    @pytest.mark.parametrize(
        "raw",
        [
            b"[]",
            b"{}",
            b'{"kind": "training"}',
            b'{"kind": "drift", "inputs": 3}',
            b'{"kind": "training", "inputs": {}, "outcome": []}',
            b'{"kind": "training", "outcome": "baked"}',
            b'{"kind": "cooking", "day": "2026-11-23", "subject": "s", "variant": "v", "outcome": "trained"}',
        ],
    )
    def test_what_is_no_record_is_refused(self, raw: bytes) -> None:
        with pytest.raises(ValidationError):
            parse(raw)


def test_payloads_hold_what_was_given() -> None:
    class Sized(Payload):
        rows: int = 0
        state: Debounced | None = None

    assert Sized().model_dump(mode="json") == {}
    assert Sized(rows=0).model_dump(mode="json") == {"rows": 0}
