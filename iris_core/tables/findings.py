"""Findings about a table, and the sentence that tells a data scientist what to do about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from iris_core.errors import DataRejected

ROWS_NAMED = 5
FINDINGS_TOLD = 3
COLUMNS_NAMED = 10
LONGEST_QUOTE = 40

Check = Literal[
    "empty",
    "encoding",
    "format",
    "compressed",
    "damaged",
    "unpacks",
    "too_large",
    "header",
    "title",
    "unclosed_quote",
    "stray_quote",
    "long_row",
    "short_row",
    "missing_column",
    "column_type",
    "no_rows",
    "too_few_rows",
    "too_many_rows",
    "not_a_number",
    "no_category",
    "unknown_level",
    "unknown_class",
    "missing_label",
    "missing",
    "infinite",
    "out_of_range",
    "absent_class",
    "small_class",
    "conflict",
    "duplicates",
]
"""Every check, worst first."""

CHECKS: tuple[Check, ...] = get_args(Check)

_CORRECT = "Correct the cells or delete the rows"
_ADVICE: dict[Check, tuple[str, str]] = {
    "empty": ("Check the export", ""),
    "encoding": ("Save it as UTF-8", ""),
    "format": ("Export it as CSV", "',' between fields, one row a line, UTF-8"),
    "compressed": ("Unpack it, or compress the table with gzip", ""),
    "damaged": ("Write the file again", ""),
    "unpacks": ("Send the rows that are meant, in several files or not packed", ""),
    "too_large": ("Leave out what no model needs", "long texts, columns"),
    "header": ("Give the first row a distinct name for every column", ""),
    "title": ("Delete the lines above the header", ""),
    "unclosed_quote": ("Close the quote", "a quote inside a value is written twice"),
    "stray_quote": ("Quote whole values", "no space around; a quote inside a value is written twice"),
    "long_row": ("Give the row one field a column", "a value that holds a ',' must be quoted"),
    "short_row": ("Give the row one field a column", "a missing value is an empty field"),
    "missing_column": ("Add or rename the columns", ""),
    "column_type": ("Convert the column, or leave it out", ""),
    "no_rows": ("Check the export", ""),
    "too_few_rows": ("Add rows", ""),
    "too_many_rows": ("Train on a random sample of the rows", ""),
    "not_a_number": (_CORRECT, "a '.' before decimals, no thousands separators, no unit"),
    "no_category": ("Join rare values, or name the column in project.json's ignored", ""),
    "unknown_level": (
        _CORRECT,
        "a new level belongs in project.json, or in the training table if levels are learnt",
    ),
    "unknown_class": (_CORRECT, "a new class belongs in project.json"),
    "missing_label": (_CORRECT, ""),
    "missing": (_CORRECT, ""),
    "infinite": (_CORRECT, ""),
    "out_of_range": (_CORRECT, "check the unit; a wider range belongs in project.json"),
    "absent_class": ("Add rows of every class", "a class that is gone leaves project.json"),
    "small_class": ("Add rows of every class", ""),
    "conflict": ("Give each id one label", ""),
    "duplicates": ("Remove the repeated rows", ""),
}
"""For each check: what to do, and a hint how."""


class Finding(BaseModel):
    """The result of one check: `count` rows, the numbers of the first five, what was found and expected.

    For a finding about the whole file, `column` is None and `rows` is empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: Check
    column: str | None = None
    rows: tuple[int, ...] = ()
    count: int
    found: str
    expected: str

    @property
    def clause(self) -> str:
        """Place, found and expected, as a part of a sentence."""
        place = ", ".join(part for part in (self._column(), self._rows()) if part)
        told = f"found {self.found}, expected {self.expected}"
        return f"{place}: {told}" if place else told

    def _column(self) -> str:
        return "" if self.column is None else f"column {shown(self.column)}"

    def _rows(self) -> str:
        if not self.rows:
            return ""
        more = f" and {self.count - len(self.rows)} more" if self.count > len(self.rows) else ""
        return f"{'rows' if self.count > 1 else 'row'} {', '.join(map(str, self.rows))}{more}"


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings sorted by the severity of their check, then by their number of rows."""
    return tuple(sorted(findings, key=lambda finding: (CHECKS.index(finding.check), -finding.count)))


def rejection(
    where: str, findings: Sequence[Finding], evidence: Mapping[str, Any] | None = None
) -> DataRejected:
    """The refusal of a table: the worst findings, and what to do about them.

    :param where: the object's URI, or a file's path.
    :param findings: at least one, worst first; the message names the first three.
    :param evidence: JSON-able evidence; by default the findings.
    """
    told = findings[:FINDINGS_TOLD]
    clauses = [finding.clause for finding in told]
    if more := len(findings) - len(told):
        clauses.append(f"and {more} more {'finding' if more == 1 else 'findings'}")
    again = "Then upload the file again." if where.startswith("s3://") else "Then try again."
    message = f"{where}: {'; '.join(clauses)}. {_advice(told)} {again}"
    alone = {"findings": [finding.model_dump(mode="json") for finding in findings]}
    return DataRejected(message, evidence=alone if evidence is None else evidence)


def too_large(where: str, found: str, expected: str, row: int | None = None) -> DataRejected:
    """The refusal of what takes more memory than there is.

    :param row: the number of the row that is too large, where it is one.
    """
    rows = () if row is None else (row,)
    told = Finding(check="too_large", rows=rows, count=len(rows), found=found, expected=expected)
    return rejection(where, [told])


def _advice(findings: Iterable[Finding]) -> str:
    hints: dict[str, list[str]] = {}
    for action, hint in dict.fromkeys(_ADVICE[finding.check] for finding in findings):
        hints.setdefault(action, []).extend([hint] if hint else [])
    return " ".join(f"{action} ({'; '.join(how)})." if how else f"{action}." for action, how in hints.items())


def missing_columns(columns: Sequence[str], wanted: Sequence[str]) -> list[Finding]:
    """A finding for each wanted column that is missing, with the name that was probably meant.

    If the first row holds data instead of a header, one finding stands for all columns.
    """
    if not set(columns) & set(wanted) and any(map(_is_number, columns)):
        found = f"{_listed(columns)}, which are values"
        expected = f"a header with {_listed(wanted)}"
        return [Finding(check="missing_column", count=len(wanted), found=found, expected=expected)]
    return [_missing_column(columns, name, wanted) for name in wanted if name not in columns]


def _missing_column(columns: Sequence[str], name: str, wanted: Sequence[str]) -> Finding:
    meant = near_match(name, set(columns) - set(wanted))
    hint = f" (is it {shown(meant)}?)" if meant else ""
    found = f"no such column among {_listed(columns)}{hint}"
    return Finding(check="missing_column", column=name, count=1, found=found, expected="one of this name")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - COLUMNS_NAMED} more" if len(names) > COLUMNS_NAMED else ""
    return f"{', '.join(map(shown, names[:COLUMNS_NAMED]))}{more}"


def _is_number(name: str) -> bool:
    return bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", name.strip()))


def shown(value: str) -> str:
    """A value quoted for a message: on one line, and cut if it is long."""
    if not value.strip():
        return "an empty cell" if not value else f"blanks ({value[:LONGEST_QUOTE]!r})"
    return repr(value if len(value) <= LONGEST_QUOTE else f"{value[: LONGEST_QUOTE - 1]}…")


def one_of(names: Sequence[str]) -> str:
    """Names joined with commas and "or", quoted for a message."""
    return f"{', '.join(shown(name) for name in names[:-1])} or {shown(names[-1])}"


def with_hint(value: str, known: Sequence[str]) -> str:
    """A value quoted for a message, with the known value that was probably meant."""
    meant = near_match(value, known)
    return f"{shown(value)} (is it {shown(meant)}?)" if meant else shown(value)


def near_match(value: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, in any case; None if none is near."""
    folded = {name.lower().strip(): name for name in known}
    matches = get_close_matches(value.lower().strip(), folded, n=1)
    return folded[matches[0]] if matches else None
