"""Lets a scheduler on sqlite start a run when it is due, instead of at the next whole second.

Airflow asks its database for the runs that are due: `run_after <= now()`. sqlite's `CURRENT_TIMESTAMP` has no
fractions of a second, so a run that an event caused waits half a second on average, three times in a loop.
`airflow_local_settings.py` of a scheduler calls `install`.
"""

from __future__ import annotations

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import now

NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
"""The time as Airflow writes it into sqlite, to a thousandth of a second."""


def install() -> None:
    """Translate SQLAlchemy's `func.now()` into a time with fractions, on sqlite, for this process."""
    compiles(now, "sqlite")(_with_fractions)


def _with_fractions(*_: object, **__: object) -> str:
    return NOW
