"""A scheduler on sqlite sees a run that is due by fractions of a second."""

from __future__ import annotations

import subprocess
import sys

import pytest

DUE = """
import sys, time
from datetime import timedelta
from airflow._shared.timezones.timezone import utcnow
from airflow.utils.sqlalchemy import UtcDateTime
from sqlalchemy import Column, MetaData, Table, create_engine, func, insert, select
from iris_airflow import due_at_once

if sys.argv[1] == "installed":
    due_at_once.install()
runs = Table("runs", MetaData(), Column("after", UtcDateTime))
with create_engine("sqlite://").connect() as connection:
    runs.create(connection)
    for after in range(20):
        connection.execute(insert(runs).values(after=utcnow() - timedelta(milliseconds=2)))
        due = connection.scalar(select(func.count()).select_from(runs).where(runs.c.after <= func.now()))
        print(due == after + 1)
        time.sleep(0.02)
    connection.execute(insert(runs).values(after=utcnow() + timedelta(milliseconds=500)))
    print(connection.scalar(select(func.count()).select_from(runs).where(runs.c.after <= func.now())) == 20)
"""


def _seen(how: str) -> set[str]:
    ran = subprocess.run([sys.executable, "-c", DUE, how], capture_output=True, text=True, check=True)
    *due, later = ran.stdout.split()
    assert later == "True" or how == "not"
    return set(due)


@pytest.mark.integration
def test_a_run_is_due_at_once_and_not_before() -> None:
    assert _seen("installed") == {"True"}
    assert "False" in _seen("not"), "Airflow sees it by itself now: due_at_once can go"
