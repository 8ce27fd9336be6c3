"""Of a log, the line that says why a component died."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.logs import TAIL_BYTES, most_telling, tail, telling_line

pytestmark = pytest.mark.unit

TRACEBACK = """\
INFO starting
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    raise KeyError
sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) no such table: job
INFO shutting down
"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (TRACEBACK, "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) no such table: job"),
        ("ModuleNotFoundError: No module named 'x'\nbye", "ModuleNotFoundError: No module named 'x'"),
        (
            "ERROR: [Errno 98] cannot bind 127.0.0.1:80: address already in use\nError: exit",
            "ERROR: [Errno 98] cannot bind 127.0.0.1:80: address already in use",
        ),
        ("FATAL Unable to start the server: disk full\nbye", "FATAL Unable to start the server: disk full"),
        (
            "2026-01-01T00:00:00Z [error    ] no luck [x]\ndone",
            "2026-01-01T00:00:00Z [error    ] no luck [x]",
        ),
        ("one\ntwo\n\n", "two"),
        ("", ""),
    ],
)
def test_the_most_telling_line(log: str, line: str) -> None:
    assert most_telling(log.splitlines()) == line


def test_only_the_end_of_a_long_log_counts_and_colours_do_not(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("ValueError: long ago\n" + "x" * TAIL_BYTES + "\n\x1b[1m\x1b[31mdied\x1b[0m\n")
    assert telling_line(log) == "died"
    assert tail(log, 1) == ["died"]


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    assert telling_line(tmp_path / "a.log") == "(its log is empty)"
