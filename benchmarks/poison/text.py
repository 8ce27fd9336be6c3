"""CSVs that are none, or not quite."""

from __future__ import annotations

import json
import random
import string
from dataclasses import replace

from benchmarks.poison.grid import Grid

_ODD_NUMBERS = (
    "5,1", "1_000", "0x10", "--5", "1e400", "-inf", "Infinity", "nan", "#N/A", "", "-", "1/2", "５.1", "−5.1",
    "5.1\u200b", "TRUE", "5 cm", "9" * 400, "1" + "0" * 5000, "5.1.2", "\u2003=1+1", "=1+1", "@SUM(1)",
)  # fmt: skip
_ODD_LABELS = (
    "?",
    "<=50K",
    "setosa (L.)",
    "50%",
    "..",
    "a/../b",
    "NA",
    "None",
    "true",
    "1.0",
    "=cmd|' /C calc'!A0",
)


def above_the_header(chance: random.Random, grid: Grid) -> bytes:
    """Titles, comments, `sep=`, blank lines, in any number."""
    lines = [
        chance.choice(("sep=;", "sep=,", "# export", "Report 2026,,,", "", ",,,", "\ufeff", "-- sql"))
        for _ in range(chance.randint(1, 30))
    ]
    return "\n".join([*lines, grid.csv()]).encode()


def separated_otherwise(chance: random.Random, grid: Grid) -> bytes:
    """Semicolons, tabs, pipes, control characters; decimals with a comma."""
    sign = chance.choice((";", "\t", "|", "\x1f", "\x01", "^", " "))
    return grid.csv(separator=sign).replace(".", chance.choice((".", ","))).encode()


def encoded_otherwise(chance: random.Random, grid: Grid) -> bytes:
    """UTF-16, UTF-32, EBCDIC, Latin-1, with and without a mark."""
    text = grid.with_column("note", lambda _: "Größe café").csv()
    return text.encode(
        chance.choice(
            ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp500", "latin-1", "utf-7", "utf-8-sig")
        )
    )


def bytes_within(chance: random.Random, grid: Grid) -> bytes:
    """NUL, control characters, invalid or overlong UTF-8, surrogates, at random places."""
    data = bytearray(grid.bytes())
    for _ in range(chance.randint(1, 20)):
        place = chance.randrange(len(data))
        data[place:place] = chance.choice(
            (b"\0", b"\x1a", b"\x1b[2J", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\r", b"\x0c", b"\x85")
        )
    return bytes(data)


def cut_off(chance: random.Random, grid: Grid) -> bytes:
    """The upload broke off."""
    data = grid.bytes()
    return data[: chance.randrange(len(data))]


def shaken(chance: random.Random, grid: Grid) -> bytes:
    """Bytes changed at random."""
    data = bytearray(grid.bytes())
    for _ in range(chance.randint(1, 200)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def noise(chance: random.Random, _: Grid) -> bytes:
    """No table at all."""
    return chance.randbytes(chance.randint(0, 20_000))


def other_format(chance: random.Random, grid: Grid) -> bytes:
    """JSON, HTML, XML, SQL, a picture's or a program's first bytes."""
    rows = [dict(zip(grid.columns, row, strict=True)) for row in grid.rows]
    return chance.choice((
        json.dumps(rows).encode(),
        "\n".join(map(json.dumps, rows)).encode(),
        b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        b"\x89PNG\r\n\x1a\n" + chance.randbytes(500),
        b"%PDF-1.7\n" + chance.randbytes(500),
        b"PK\x03\x04" + chance.randbytes(500),
        b"\x7fELF" + chance.randbytes(500),
        b"SQLite format 3\0" + chance.randbytes(500),
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
    ))  # fmt: skip


def nothing(chance: random.Random, grid: Grid) -> bytes:
    """No bytes, blanks, a header alone, rows alone."""
    header, rows = grid.csv().split("\n", 1)
    return chance.choice(
        (
            b"",
            b"\xef\xbb\xbf",
            b"\n" * 500,
            b" ",
            b",,,,\n" * 40,
            header.encode(),
            f"{header}\n".encode(),
            rows.encode(),
            b'""',
            b'"',
            b"\r\n",
            b"\0",
        )
    )


def names_twice(chance: random.Random, grid: Grid) -> bytes:
    """A name twice, all names alike, the header again as a row."""
    names = list(grid.columns)
    text = grid.csv()
    if (way := chance.randrange(3)) == 0:
        names[chance.randrange(len(names))] = names[0]
        names[-1] = names[0]
    elif way == 1:
        names = ["x"] * len(names)
    else:
        return (text + text).encode()
    return grid.renamed(names).bytes()


def odd_names(chance: random.Random, grid: Grid) -> bytes:
    """Extra columns of any name: ours, paths, formulas, control characters, very long, not to be seen."""
    names = (
        "prediction",
        "source_row",
        "model_version",
        "../../etc/passwd",
        "=1+1",
        "a\x00b",
        "a\nb",
        "x" * 100_000,
        "\u202e",
        "🌼",
        "__class__",
        "{{ 7*7 }}",
        "', DROP TABLE",
        " ",
        "\u3000",
        "c0",
        "key",
        "label",
        "place",
        "column",
        "NaN",
    )
    for number in range(chance.randint(1, 4)):
        grid = grid.with_column(chance.choice(names), lambda _, n=number: str(n))  # type: ignore[misc]
    return grid.bytes()


def quotes(chance: random.Random, grid: Grid) -> bytes:
    """Quotes that are not closed, or stray, in the header or in rows."""
    data = bytearray(grid.bytes())
    for _ in range(chance.randint(1, 5)):
        place = chance.randrange(len(data))
        data[place:place] = chance.choice((b'"', b'""', b'",', b',"', b"'", b'\\"'))
    return bytes(data)


def line_ends(chance: random.Random, grid: Grid) -> bytes:
    """CR alone, mixed, other scripts' line ends."""
    ends = ("\r", "\r\r\n", "\n\r", "\u2028", "\x85", "\x0b")
    one = chance.choice(ends)
    lines = grid.csv().split("\n")
    mixed = chance.random() < 0.5
    return "".join(line + (chance.choice((*ends, "\n")) if mixed else one) for line in lines).encode()


def uneven_rows(chance: random.Random, grid: Grid) -> bytes:
    """Some rows are shorter or longer than the header."""
    share = chance.choice((0.02, 0.5, 1.0))
    rows = tuple(
        (*row, *("x",) * chance.randint(1, 300)) if chance.random() < share / 2
        else row[: chance.randrange(len(row))] if chance.random() < share / 2 else row
        for row in grid.rows
    )  # fmt: skip
    return replace(grid, rows=rows).bytes()


def odd_numbers(chance: random.Random, grid: Grid) -> bytes:
    """Cells that are no numbers, or no plausible ones, in a few or in all rows."""
    share = chance.choice((0.02, 0.2, 1.0))
    column = grid.some_column(chance)
    return grid.with_cells(
        column, lambda _, cell: chance.choice(_ODD_NUMBERS) if chance.random() < share else cell
    ).bytes()


def odd_labels(chance: random.Random, grid: Grid) -> bytes:
    """Labels that are no class: names that libraries refuse, as many as rows, very long."""
    way = chance.randrange(3)

    def label(row: int, cell: str) -> str:
        if way == 0:
            return chance.choice((*_ODD_LABELS, cell))
        return f"label {row}" if way == 1 else "".join(chance.choices(string.printable, k=5000))

    return grid.with_cells(grid.target, label).bytes()


def odd_ids(chance: random.Random, grid: Grid) -> bytes:
    """Ids as floats, with zeros before them, decomposed, all alike, missing."""
    way = chance.randrange(6)

    def key(row: int, cell: str) -> str:
        return (f"{row}.0", f"{row:010d}", f"é{row}", "same", "", f"{cell}\u200b")[way]

    return grid.with_cells(grid.key, key).bytes()


def formulas(chance: random.Random, grid: Grid) -> bytes:
    """Text that a spreadsheet runs."""
    blank = chance.choice(("", " ", "\t", "\u2003", "\u200b", "\ufeff", "\u00ad", "\u2060"))
    sign = chance.choice("=+-@＝＋")
    return grid.with_column("note", lambda _: f'{blank}{sign}HYPERLINK("http://x")').bytes()


def missing_columns(chance: random.Random, grid: Grid) -> bytes:
    """One or all of the columns have another name."""
    names = [name if chance.random() < 0.5 else f"{name.upper()} (cm)" for name in grid.columns]
    return grid.renamed(names).bytes()
