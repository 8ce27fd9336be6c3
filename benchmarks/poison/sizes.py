"""Tables of unusual measures: cells, rows, columns, names."""

from __future__ import annotations

import random

from benchmarks.poison.grid import Grid


def huge_cell(chance: random.Random, grid: Grid) -> bytes:
    """One cell of megabytes, quoted or not, in any column."""
    size = chance.choice((200_000, 3 << 20, 20 << 20))
    column, row = chance.choice(grid.columns), chance.randrange(len(grid.rows))
    sign = chance.choice(("x", "1", "é", "\n", ",", '"', " "))
    return grid.with_cells(column, lambda n, cell: sign * size if n == row else cell).bytes()


def huge_row(chance: random.Random, grid: Grid) -> bytes:
    """A row of megabytes without an end, of commas or text."""
    return grid.bytes() + chance.choice((b",", b"x", b'"', b" ")) * (chance.choice((1, 8, 40)) << 20)


def quoted_row(chance: random.Random, grid: Grid) -> bytes:
    """A row of megabytes in quotes that are closed: of text, of line ends, of quotes, of commas."""
    filling = chance.choice((b"x", b"\n", b'""', b",", b"a,\n", "é\u2003".encode()))
    row = grid.bytes().split(b"\n")[1].rsplit(b",", 1)[0]
    cell = filling * ((chance.choice((1, 3, 5, 40)) << 20) // len(filling))
    return grid.bytes() + row + b',"' + cell + b'"\n' + grid.bytes().split(b"\n", 1)[1]


def short_rows(chance: random.Random, grid: Grid) -> bytes:
    """Millions of rows of a few bytes."""
    filling = chance.choice((b"x\n", b"\n", b'""\n', b",\n", b",,,,,\n", b'"1",2\n', b"x,x,x,x,x,x\n"))
    return grid.bytes() + filling * ((chance.choice((1, 10)) << 20) // len(filling))


def many_columns(chance: random.Random, grid: Grid) -> bytes:
    """Thousands of columns, beside the right ones or in their place."""
    count = chance.choice((2_000, 5_000, 20_000))
    extra = ",".join(f"c{number}" for number in range(count))
    values = ",".join(["1"] * count)
    lines = grid.csv().splitlines()
    kept = lines[: chance.choice((5, len(lines)))] if count > 5_000 else lines
    return "\n".join([f"{kept[0]},{extra}", *(f"{line},{values}" for line in kept[1:]), ""]).encode()


def many_alike(chance: random.Random, grid: Grid) -> bytes:
    """A header of very many fields: nameless, blank, all alike, or twice the same thousands."""
    count = chance.choice((10_000, 200_000, 1_000_000))
    names = chance.choice(("", " ", "a", "species", '""'))
    twice = ",".join(f"c{number}" for number in range(count // 10))
    header = chance.choice((",".join([names] * count), f"{twice},{twice}"))
    return f"{header}\n{grid.csv()}".encode()


def huge_names(chance: random.Random, grid: Grid) -> bytes:
    """Names of up to a megabyte."""
    return grid.with_column("n" * chance.choice((5_000, 140_000, 1 << 20)), lambda row: str(row)).bytes()


def huge_ids(chance: random.Random, grid: Grid) -> bytes:
    """Ids of 50 KB in every row."""
    size = chance.choice((1_000, 50_000))
    times = chance.choice((1, 4))
    return grid.with_cells(grid.key, lambda _, cell: f"{cell}{'k' * size}" * times).bytes()


def many_values(chance: random.Random, grid: Grid) -> bytes:
    """Many rows, each with another value in every column of text."""
    rows = chance.choice((20_000, 100_000))
    lines = grid.csv().splitlines()
    width = len(grid.columns)
    place = grid.place(grid.target)
    out = [lines[0]]
    for number in range(rows):
        cells = lines[1 + number % (len(lines) - 1)].split(",")
        if len(cells) == width:
            cells[place] = f"class {number}"
            cells[grid.place(grid.key)] = f"id {number}"
            out.append(",".join(cells))
    return "\n".join([*out, ""]).encode()


def repeated(chance: random.Random, grid: Grid) -> bytes:
    """The same rows again and again."""
    header, rows = grid.csv().split("\n", 1)
    return f"{header}\n{rows * chance.choice((2, 50, 2000))}".encode()
