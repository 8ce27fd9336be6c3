"""A block of CSV becomes rows that can be scored, and rows that cannot with the reason.

Every row keeps its own bytes, whatever block it comes in: what is written does not depend on where the
file was cut. A plain block (no quotes, every row as wide as the header, every feature a finite number) is
parsed at once; any other is looked at row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from iris_core.tables import is_missing, numbers
from iris_core.tables.findings import ROWS_NAMED, Check, Finding, rejection
from iris_core.tables.header import check_text
from iris_core.tables.records import Records, check_closed, check_quotes, scan
from iris_core.tables.rejects import SCHEMA, SOURCE_ROW, Fault

_RETURN, _NEWLINE = b"\r"[0], b"\n"[0]
VALUES_NAMED = 5

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """Whole rows of a CSV; `first_row` is the first one's number, as a spreadsheet shows it."""

    data: bytes
    first_row: int


@dataclass(frozen=True, eq=False)
class Layout:
    """What a file's header says: all columns, where the features are, where the label (None: nowhere)."""

    where: str
    columns: tuple[str, ...]
    features: tuple[str, ...]
    target: str | None
    units: dict[str, str]

    @property
    def text_schema(self) -> dict[str, type[pl.String]]:
        """Every column as text, under a name that cannot clash."""
        return {f"c{place}": pl.String for place in range(len(self.columns))}

    def places(self) -> list[int]:
        """Where the features are, then the label."""
        wanted = [*self.features, *([self.target] if self.target else [])]
        return [self.columns.index(name) for name in wanted]

    def expected(self, name: str) -> str:
        """What a cell of a feature must be."""
        unit = self.units.get(name)
        return f"a number in {unit}" if unit else "a number"


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that can be scored: their bytes, each ended by a newline, where, their numbers and values."""

    data: bytes
    ends: Positions
    numbers: Positions
    features: pl.DataFrame
    labels: pl.Series | None


@dataclass(frozen=True, eq=False)
class Parsed:
    """A block's rows, its rejects (`rejects.SCHEMA`) and what was wrong with them."""

    rows: Rows
    rejected: pl.DataFrame
    faults: tuple[Fault, ...] = ()


def count_rows(data: bytes) -> int:
    """How many rows end in a block that begins and ends outside quotes."""
    if b'"' in data:
        return int(scan(data).ends.size)
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == _NEWLINE))


def parse(block: Block, layout: Layout) -> Parsed:
    """The rows of a block.

    :raises DataRejected: not UTF-8, or quotes that are not closed or in the midst of a value.
    """
    data = block.data
    if not data.isascii() or b"\0" in data:
        check_text(data, block.first_row, layout.where)
    if b'"' not in data:
        plain = data.replace(b"\r\n", b"\n") if b"\r" in data else data
        rows = None if b"\r" in plain else _plain(Block(plain, block.first_row), layout)
        if rows is not None:
            return Parsed(rows, pl.DataFrame(schema=SCHEMA))
    return _careful(block, layout)


def _plain(block: Block, layout: Layout) -> Rows | None:
    found = scan(block.data)
    if not found.is_even(len(layout.columns)):
        return None
    frame = _typed(block.data, layout)
    if frame is None or frame.height != found.ends.size:
        return None
    features = frame.select(layout.features)
    if not features.select(pl.all_horizontal(pl.all().is_finite().all())).item():
        return None
    rows = np.arange(block.first_row, block.first_row + frame.height)
    return Rows(block.data, found.ends, rows, features, _labels(frame, layout))


def _typed(data: bytes, layout: Layout) -> pl.DataFrame | None:
    """Features as numbers and the label as text; None where a feature is not a number throughout."""
    places = layout.places()
    schema: dict[str, type[pl.DataType]] = dict(layout.text_schema)
    for place in places[: len(layout.features)]:
        schema[f"c{place}"] = pl.Float64
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            schema=schema,
            columns=sorted(places),
            quote_char=None,
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return None
    named = _named(frame, layout)
    return None if any(named[name].null_count() for name in layout.features) else named


def _named(frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    wanted = [*layout.features, *([layout.target] if layout.target else [])]
    return frame.select(
        pl.col(f"c{place}").alias(name) for place, name in zip(layout.places(), wanted, strict=True)
    )


def _labels(frame: pl.DataFrame, layout: Layout) -> pl.Series | None:
    return frame[layout.target].str.strip_chars() if layout.target else None


def _careful(block: Block, layout: Layout) -> Parsed:
    data = block.data
    found = scan(data)
    check_closed(data, found, block.first_row, layout.where)
    check_quotes(found, block.first_row, layout.where)
    blank = found.blank()
    fields = found.fields()
    even = ~blank & (fields == len(layout.columns))
    uneven = np.flatnonzero(~blank & ~even)
    kept = _kept(found, even)
    frame = _text(kept[0], layout, block.first_row)
    if frame.height != kept[1].size:
        raise _unreadable(layout, block.first_row, "quotes that split rows otherwise than line ends do")
    rows = np.flatnonzero(even) + block.first_row
    values = numbers(frame, layout.features)
    is_bad = values.select(pl.any_horizontal(pl.all().is_null() | pl.all().is_infinite())).to_series()
    rejected, faults = _faults(frame, values, is_bad, rows, layout)
    good = ~is_bad.to_numpy()
    if not good.all():
        kept = _kept(Records(np.frombuffer(kept[0], np.uint8), kept[1], kept[1], kept[1]), good)
    scorable = Rows(kept[0], kept[1], rows[good], values.filter(~is_bad), None)
    if layout.target:
        labels = frame.filter(~is_bad)[layout.target].str.strip_chars()
        scorable = Rows(kept[0], kept[1], rows[good], scorable.features, labels)
    wide, more = _uneven(uneven + block.first_row, fields[uneven], len(layout.columns))
    both = pl.concat([wide, rejected]).sort(SOURCE_ROW)
    return Parsed(scorable, both, (*more, *faults))


def _kept(found: Records, keep: NDArray[np.bool_]) -> tuple[bytes, Positions]:
    """Some of the rows' bytes, without the carriage return before their newline, and where they end now."""
    ends, starts = found.ends, found.starts
    returns = (ends > starts) & (found.text[np.maximum(ends - 1, 0)] == _RETURN)
    mask = np.repeat(keep, np.diff(ends, prepend=-1))
    mask[ends[returns] - 1] = False
    lengths = (ends - starts + 1 - returns)[keep]
    return found.text[: mask.size][mask].tobytes(), np.cumsum(lengths) - 1


def _text(data: bytes, layout: Layout, row: int) -> pl.DataFrame:
    if not data:
        wanted = [*layout.features, *([layout.target] if layout.target else [])]
        return pl.DataFrame(schema=dict.fromkeys(wanted, pl.String))
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            schema=layout.text_schema,
            columns=sorted(layout.places()),
            quote_char='"' if b'"' in data else None,
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError as error:
        raise _unreadable(layout, row, str(error).splitlines()[0][:120]) from error
    return _named(frame, layout).with_columns(pl.all().fill_null(""))


def _unreadable(layout: Layout, row: int, found: str) -> Exception:
    finding = Finding(
        check="format", rows=(row,), count=1, found=f"what is no CSV ({found})", expected="rows of fields"
    )
    return rejection(layout.where, [finding])


def _uneven(rows: Positions, fields: Positions, width: int) -> tuple[pl.DataFrame, list[Fault]]:
    faults, frames = [], [pl.DataFrame(schema=SCHEMA)]
    checks: tuple[tuple[Check, NDArray[np.bool_]], ...] = (
        ("long_row", fields > width),
        ("short_row", fields < width),
    )
    for check, mask in checks:
        if not mask.any():
            continue
        found = [_fields(int(number)) for number in fields[mask]]
        expected = f"{_fields(width)} as in the header"
        faults.append(_fault(check, None, rows[mask].tolist(), found, expected))
        frames.append(
            pl.DataFrame(
                {SOURCE_ROW: rows[mask], "column": "", "reason": f"expected {expected}", "found": found},
                schema=SCHEMA,
            )
        )
    return pl.concat(frames), faults


def _fields(number: int) -> str:
    return f"{number} field{'' if number == 1 else 's'}"


def _faults(
    frame: pl.DataFrame, values: pl.DataFrame, is_bad: pl.Series, rows: Positions, layout: Layout
) -> tuple[pl.DataFrame, list[Fault]]:
    """Every fault is counted in its column; a row is rejected for the first of its columns."""
    told = pl.DataFrame(schema=SCHEMA)
    faults: list[Fault] = []
    if not is_bad.any():
        return told, faults
    seen = pl.Series([False]).new_from_index(0, frame.height)
    for name in layout.features:
        for check, mask in _checks(frame[name], values[name]):
            if not mask.any():
                continue
            expected = layout.expected(name)
            cells = frame[name].filter(mask)
            faults.append(_fault(check, name, rows[mask.to_numpy()].tolist(), cells.to_list(), expected))
            new = mask & ~seen
            seen = seen | mask
            reason = f"{check.replace('_', ' ')}, expected {expected}"
            first = {
                SOURCE_ROW: rows[new.to_numpy()],
                "column": name,
                "reason": reason,
                "found": frame[name].filter(new),
            }
            told = pl.concat([told, pl.DataFrame(first, schema=SCHEMA)])
    return told, faults


def _checks(cells: pl.Series, values: pl.Series) -> Sequence[tuple[Check, pl.Series]]:
    is_absent = is_missing(cells) & values.is_null()
    return (
        ("missing", is_absent),
        ("not_a_number", values.is_null() & ~is_absent),
        ("infinite", values.is_infinite().fill_null(False)),
    )


def _fault(check: Check, column: str | None, rows: list[int], values: list[str], expected: str) -> Fault:
    named = tuple(dict.fromkeys(values))[:VALUES_NAMED]
    return Fault(
        check=check,
        column=column,
        count=len(rows),
        rows=tuple(rows[:ROWS_NAMED]),
        values=named,
        expected=expected,
    )
