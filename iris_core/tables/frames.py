"""Frames of text from a streamed CSV, and the typed frame of a training table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from iris_core.settings.project import TableSchema
from iris_core.tables import header, records
from iris_core.tables.blocks import BLOCK_BYTES, LONGEST_ROW_BYTES, blocks
from iris_core.tables.cells import labels, numbers
from iris_core.tables.findings import Finding, near_match, rejection, shown

COLUMNS_NAMED = 10


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows of a table as text, in the file's order; an empty cell is ''.

    `first_row` is the number of the frame's first row, as a spreadsheet shows it. `offsets` are the
    rows' distances from it where blank lines lie between them, else None.
    """

    frame: pl.DataFrame
    first_row: int
    offsets: pl.Series | None = field(default=None, repr=False)

    def rows(self, mask: pl.Series, limit: int | None = None) -> list[int]:
        """The row numbers where a mask over the frame is true: the first `limit`, or all."""
        positions = mask.arg_true().cast(pl.Int64)
        if limit is not None:
            positions = positions.head(limit)
        offsets = positions if self.offsets is None else self.offsets.gather(positions)
        return (offsets + self.first_row).to_list()


def batches(
    chunks: Iterable[bytes], where: str, size: int = BLOCK_BYTES, longest_row: int = LONGEST_ROW_BYTES
) -> Iterator[Batch]:
    """Read a CSV, given as pieces of bytes, in batches of about `size` bytes.

    A table without rows gives one batch without rows, so that its columns are known.

    :param where: the object's URI, for messages.
    :param longest_row: bytes; what is longer has no line ends.
    :raises DataRejected: empty, not UTF-8, not comma-separated, a name twice in the header, a row with
        more or fewer fields than the header, a quote that is not closed.
    """
    table = Table(where)
    for data in blocks(chunks, size, longest_row):
        yield from table.read(data)
    yield from table.end()


class Table:
    """A table while it is read: its columns as soon as they are known, and the next row's number."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._row = 1
        self.columns: tuple[str, ...] | None = None
        self._is_untouched = True
        self._is_empty = True

    def read(self, data: bytes) -> Iterator[Batch]:
        """The rows of a block; none if it holds no more than a header and blank lines."""
        if self._is_untouched:
            header.check_kind(data, self._where)
            data = data.removeprefix(header.UTF8_BOM)
            self._is_untouched = False
        found = records.scan(data)
        records.check_closed(data, found, self._row, self._where)
        header.check_text(data, self._row, self._where)
        if self.columns is None:
            data = self._read_header(data, found)
            found = records.scan(data)
        if self.columns is not None and data:
            yield from self._read_rows(data, found, self.columns)

    def pass_rows(self, rows: int) -> None:
        """Somebody else has read the next `rows` rows."""
        self._row += rows
        self._is_empty = False

    def end(self) -> Iterator[Batch]:
        """Refuse a table that never began; give one batch for a table without rows."""
        if self.columns is None:
            found = "no bytes" if self._is_untouched else "nothing but blanks"
            expected = "a header and rows"
            raise rejection(self._where, [Finding(check="empty", count=0, found=found, expected=expected)])
        if self._is_empty:
            yield Batch(pl.DataFrame(schema=dict.fromkeys(self.columns, pl.String)), self._row)

    def _read_header(self, data: bytes, found: records.Records) -> bytes:
        blank = found.blank()
        place = int(blank.argmin())
        if blank[place]:
            self._row += blank.size
            return b""
        start, end = int(found.starts[place]), int(found.ends[place])
        line = data[start:end].removesuffix(b"\r")
        self.columns = header.column_names(line, self._row + place, self._where)
        first_line = records.scan(data[start : end + 1])
        records.check_quotes(first_line, self._row + place, self._where)
        self._row += place + 1
        return data[end + 1 :]

    def _read_rows(self, data: bytes, found: records.Records, columns: Sequence[str]) -> Iterator[Batch]:
        first, self._row = self._row, self._row + found.ends.size
        records.check_quotes(found, first, self._where)
        records.check_fields(found, len(columns), first, self._where)
        data, kept = records.without_blank_rows(data, found, len(columns))
        if not data:
            return
        self._is_empty = False
        frame = self._parse(data, columns, first)
        if kept is None:
            yield Batch(frame, first)
        else:
            yield Batch(frame, first + int(kept[0]), pl.Series(kept - kept[0]))

    def _parse(self, data: bytes, columns: Sequence[str], first: int) -> pl.DataFrame:
        try:
            return pl.read_csv(
                data,
                has_header=False,
                schema=dict.fromkeys(columns, pl.String),
                empty_string_is_null=False,
                quote_char='"' if b'"' in data else None,
            )
        except pl.exceptions.PolarsError as error:
            found = f"what is no CSV ({str(error).splitlines()[0][:120]})"
            rows = Finding(check="format", rows=(first,), count=1, found=found, expected="rows of fields")
            raise rejection(self._where, [rows]) from error


def missing_columns(columns: Sequence[str], wanted: Sequence[str]) -> list[Finding]:
    """A finding for each wanted column that is not there, with the name that was probably meant.

    One finding for all where the first row is no header but data.
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
    return numbers(pl.DataFrame({"name": [name]}), ["name"])["name"].null_count() == 0


def typed_frame(chunks: Iterable[bytes], where: str, table: TableSchema, with_target: bool) -> pl.DataFrame:
    """The whole table in memory: features as Float64 in the schema's order, then the target as text.

    Columns are found by name; others are dropped. What is not a number is null: validate first.

    :raises DataRejected: as `batches`, or a column is missing.
    """
    wanted = [*table.feature_names, *([table.target] if with_target else [])]
    return pl.concat(_typed(batch, where, table, wanted) for batch in batches(chunks, where))


def _typed(batch: Batch, where: str, table: TableSchema, wanted: Sequence[str]) -> pl.DataFrame:
    if absent := missing_columns(batch.frame.columns, wanted):
        raise rejection(where, absent)
    typed = numbers(batch.frame, table.feature_names)
    if table.target in wanted:
        typed = typed.with_columns(labels(batch.frame, table.target))
    return typed
