"""The search for secrets finds them, in whatever form they lie about."""

from __future__ import annotations

import base64
import gzip
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.leaks import Commands, Search

SECRET = "planted/secret+0123456789="


@pytest.fixture
def search() -> Search:
    return Search({"the key": SECRET})


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}&more",
        f"http://host/?token={quote(SECRET, safe='')}",
        *(base64.b64encode(f"{before}:{SECRET}".encode()).decode() for before in ("u", "us", "use", "user")),
    ],
)
def test_forms(search: Search, text: str) -> None:
    assert list(search.data(text.encode(), "a log")) == ["the key in a log"]
    assert list(search.data(gzip.compress(text.encode()), "a log")) == ["the key in a log, unpacked"]


def test_tokens_of_airflow(search: Search) -> None:
    token = f"Bearer eyJ{'a' * 20}.eyJ{'b' * 30}.{'c' * 20}"
    [told] = search.data(token.encode(), "a log")
    assert told.startswith("a token (eyJaaaa")


def test_nothing_to_find(search: Search) -> None:
    assert list(search.data(SECRET[:-3].encode() + b"eyJ.eyJ.", "a log")) == []
    assert list(search.data(b"\x1f\x8bno gzip", "a log")) == []


def test_files_and_databases(search: Search, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    database = sqlite3.connect(tmp_path / "below" / "a.db")
    database.execute("pragma journal_mode=wal")
    database.execute("create table notes (text)")
    database.execute("insert into notes values (?)", (SECRET,))
    database.commit()
    kept = tmp_path / "stack.env"
    kept.write_text(SECRET)
    assert list(search.files(tmp_path, but=[kept])) == ["the key in below/a.db-wal"]
    database.close()


@pytest.mark.integration
def test_command_lines(search: Search) -> None:
    sleeper = "import time; time.sleep(30)"
    with Commands() as commands:
        process = subprocess.Popen([sys.executable, "-c", sleeper, SECRET])
        try:
            until = time.monotonic() + 20
            while not any(SECRET in seen for seen in list(commands.seen)) and time.monotonic() < until:
                time.sleep(0.05)
        finally:
            process.kill()
            process.wait()
    assert len(list(search.commands(commands.seen))) == 1
