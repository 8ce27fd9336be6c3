"""The journal: whatever moment a process dies at, what was appended comes back, and nothing else."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devstack.embedded_s3.journal import Journal, State
from iris_core.errors import StackError

pytestmark = pytest.mark.unit

KEY = {"bucket": "b", "key": "k"}


def put(*uids: str, drop: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    return KEY | {"put": [{"uid": uid, **fields} for uid in uids], "drop": list(drop)}


def reopened(root: Path) -> State:
    journal = Journal(root)
    state = journal.open()
    journal.close()
    return state


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path)
    journal.open()
    return journal


def test_content_comes_back(tmp_path: Path, journal: Journal) -> None:
    journal.write_payload("aa1", io.BytesIO(b"one"))
    journal.append({"bucket": "b", "config": {"versioning": "Enabled"}})
    journal.append(put("aa1", size=3) | {"sequencer": 41})
    journal.append(put("bb2"))
    journal.close()
    state = reopened(tmp_path)
    assert state.buckets == {"b": {"versioning": "Enabled"}}
    assert list(state.keys["b", "k"]) == ["aa1", "bb2"]
    assert state.sequencer == 41
    assert reopened(tmp_path) == state
    assert journal.payload_path("aa1").read_bytes() == b"one"


def test_unnamed_payloads_are_removed_and_named_ones_kept(tmp_path: Path, journal: Journal) -> None:
    for uid in ("aa1", "aa2"):
        journal.write_payload(uid, io.BytesIO(b"one"))
    journal.append(put("aa1", size=3))
    journal.close()
    reopened(tmp_path)
    assert [p.name for p in (tmp_path / "payloads").glob("*/*")] == ["aa1"]


def test_version_without_its_payload_is_dropped(
    tmp_path: Path, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    journal.write_payload("aa1", io.BytesIO(b"on"))
    journal.append(put("aa1", size=3))
    journal.close()
    assert reopened(tmp_path).keys == {}
    assert "b/k: payload aa1 missing or cut" in caplog.text


@given(cut=st.integers(min_value=0, max_value=400))
@settings(max_examples=40, deadline=None)
def test_a_journal_cut_anywhere_gives_a_state_that_was(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    root = tmp_path_factory.mktemp("cut")
    journal = Journal(root)
    journal.open()
    states = [list[str]()]
    for number in range(5):
        journal.append(put(f"{number}", drop=(f"{number - 2}",)))
        states.append([uid for uid in (*states[-1], f"{number}") if uid != f"{number - 2}"])
    journal.close()
    path = root / "journal"
    header_end = path.read_bytes().index(b"\n") + 1
    path.write_bytes(path.read_bytes()[: header_end + cut])
    assert list(reopened(root).keys.get(("b", "k"), {})) in states


def test_compacts_on_open(tmp_path: Path, journal: Journal) -> None:
    for number in range(100):
        journal.append(put(str(number), drop=(str(number - 1),)))
    journal.close()
    reopened(tmp_path)
    lines = (tmp_path / "journal").read_text().splitlines()
    assert len(lines) == 2
    assert json.loads(lines[1])["put"] == [{"uid": "99"}]


def test_broken_line_is_named(tmp_path: Path, journal: Journal) -> None:
    journal.append(put("1"))
    journal.close()
    with (tmp_path / "journal").open("a") as file:
        file.write("nonsense\n{}\n")
    with pytest.raises(StackError, match="journal, line 3"):
        reopened(tmp_path)
