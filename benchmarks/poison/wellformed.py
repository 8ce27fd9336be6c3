"""Objects that are a little unusual and sound: each must be used to its last row."""

from __future__ import annotations

import gzip
import io
import random

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.poison.grid import Grid


def plain(_: random.Random, grid: Grid) -> bytes:
    """A CSV."""
    return grid.bytes()


def packed(chance: random.Random, grid: Grid) -> bytes:
    """A CSV in gzip, in one member or several, with or without padding."""
    data, cut = grid.bytes(), chance.randrange(len(grid.bytes()))
    whole = gzip.compress(data[:cut], mtime=0) + gzip.compress(data[cut:], mtime=0)
    return whole + b"\0" * chance.choice((0, 0, 512))


def windows(chance: random.Random, grid: Grid) -> bytes:
    """A byte order mark, CRLF, DOS's end."""
    return b"\xef\xbb\xbf" + grid.csv(line_end="\r\n").encode() + chance.choice((b"", b"\x1a"))


def quoted(_: random.Random, grid: Grid) -> bytes:
    """A note with separators, quotes and line ends."""
    return grid.with_column("note", lambda row: f'row {row}, "so called"\nsecond line').bytes()


def padded(chance: random.Random, grid: Grid) -> bytes:
    """Rows without any value, and columns without a name, at the end."""
    wide = grid.csv().replace("\n", ",,\n").encode()
    return wide + b"," * (wide.split(b"\n", 1)[0].count(b",")) + b"\n" * chance.randint(1, 50)


def blanks(chance: random.Random, grid: Grid) -> bytes:
    """Blanks around numbers, and signs before them."""
    column = grid.some_column(chance)
    return grid.with_cells(column, lambda _, cell: f" {cell}\t").bytes()


def columnar(chance: random.Random, grid: Grid) -> bytes:
    """Parquet, of doubles or floats, with dictionaries or without, in several row groups."""
    kind = chance.choice((pa.float64(), pa.string()))
    columns = {
        name: pa.array([row[place] for row in grid.rows]).cast(kind if name in grid.features else pa.string())
        for place, name in enumerate(grid.columns)
    }
    out = io.BytesIO()
    pq.write_table(
        pa.table(columns),
        out,
        compression=chance.choice(("snappy", "zstd", "gzip", "none")),
        row_group_size=chance.choice((7, 50, 1000)),
        use_dictionary=chance.random() < 0.5,
    )
    return out.getvalue()
