"""Rows that cannot be scored: which, why, and whether they are too many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from iris_core.errors import DataRejected
from iris_core.tables.findings import ROWS_NAMED, Check, Finding, rejection, shown, worst_first

SOURCE_ROW = "source_row"
HEADER = b"source_row,column,reason,found\n"
VALUES_NAMED = 5
SCHEMA: dict[str, Any] = {SOURCE_ROW: pl.Int64, "column": pl.String, "reason": pl.String, "found": pl.String}


class Fault(BaseModel):
    """One kind of fault in one column: how many rows, and the first few of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: Check
    column: str | None
    count: int
    rows: tuple[int, ...]
    values: tuple[str, ...]
    expected: str

    def __add__(self, later: Fault) -> Fault:
        """The faults of two parts of a table, this one's rows first."""
        return self.model_copy(
            update={
                "count": self.count + later.count,
                "rows": (*self.rows, *later.rows)[:ROWS_NAMED],
                "values": tuple(dict.fromkeys((*self.values, *later.values)))[:VALUES_NAMED],
            }
        )

    def finding(self) -> Finding:
        """As a finding, for the sentence."""
        found = ", ".join(map(shown, self.values)) if self.column else ", ".join(self.values)
        return Finding(
            check=self.check,
            column=self.column,
            rows=self.rows,
            count=self.count,
            found=found,
            expected=self.expected,
        )


@dataclass
class Faults:
    """All faults of a table so far."""

    found: dict[tuple[str, str | None], Fault] = field(default_factory=dict)

    def add(self, faults: Iterable[Fault]) -> None:
        """Take in those of a later part."""
        for fault in faults:
            key = (fault.check, fault.column)
            self.found[key] = self.found[key] + fault if key in self.found else fault

    def all(self) -> tuple[Fault, ...]:
        """Most rows first."""
        return tuple(sorted(self.found.values(), key=lambda fault: -fault.count))


def as_csv(rejected: pl.DataFrame) -> bytes:
    """Rejected rows (`SCHEMA`) without a header."""
    return rejected.write_csv(include_header=False).encode()


def judge(where: str, rows: int, rejected: int, faults: Sequence[Fault], most: float) -> None:
    """Refuse a table as a whole when it has no rows, or too many that cannot be scored.

    :param rows: scored and rejected ones.
    :param most: `MAX_REJECT_SHARE`, in [0, 1].
    :raises DataRejected: the sentence names the worst column first.
    """
    if not rows:
        found = "a header that has no rows below it"
        raise rejection(where, [Finding(check="no_rows", count=0, found=found, expected="at least 1")])
    if rejected <= most * rows and rejected < rows:
        return
    worst = sorted(faults, key=lambda fault: -fault.count)
    findings = [fault.finding() for fault in worst]
    told = rejection(where, findings)
    message = (
        f"{where}: {rejected} of {rows} rows ({rejected / rows:.1%}) cannot be scored, more than "
        f"MAX_REJECT_SHARE={most:g} allows. {str(told).removeprefix(f'{where}: ')}"
    )
    evidence = {
        "rows": rows,
        "rejected": rejected,
        "most": most,
        "findings": [finding.model_dump(mode="json") for finding in worst_first(findings)],
    }
    raise DataRejected(message, evidence)
