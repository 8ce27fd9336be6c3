"""Parquet files that are damaged, or hold what no CSV can."""

from __future__ import annotations

import datetime
import decimal
import io
import random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.poison.grid import Grid


def _columns(grid: Grid) -> dict[str, pa.Array]:
    """Features as doubles, the rest as text."""
    return {
        name: pa.array([row[place] for row in grid.rows]).cast(
            pa.float64() if name in grid.features else pa.string()
        )
        for place, name in enumerate(grid.columns)
    }


def _written(table: pa.Table, **how: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **how)
    return out.getvalue()


def _of(kind: pa.DataType, value: Any, count: int) -> pa.Array:
    return pa.array([value] * count, kind)


def _types() -> dict[str, tuple[pa.DataType, Any]]:
    moment = datetime.datetime(2026, 1, 1, 12)
    return {
        "list": (pa.list_(pa.float64()), [1.0]),
        "empty list": (pa.list_(pa.string()), []),
        "struct": (pa.struct([("a", pa.float64())]), {"a": 1.0}),
        "map": (pa.map_(pa.string(), pa.int64()), [("a", 1)]),
        "binary": (pa.binary(), b"\xff\0"),
        "fixed": (pa.binary(4), b"\0\0\0\0"),
        "duration": (pa.duration("ms"), datetime.timedelta(1)),
        "decimal128": (pa.decimal128(38, 10), decimal.Decimal("5.1")),
        "decimal256": (pa.decimal256(60, 2), decimal.Decimal("5.1")),
        "timestamp": (pa.timestamp("us"), moment),
        "zoned": (pa.timestamp("ns", "Europe/Berlin"), moment),
        "offset": (pa.timestamp("ms", "+05:30"), moment),
        "no zone": (pa.timestamp("ms", "Nowhere/City"), moment),
        "date": (pa.date32(), moment.date()),
        "time": (pa.time64("ns"), moment.time()),
        "bool": (pa.bool_(), True),
        "half": (pa.float16(), 5.0),
        "uint64": (pa.uint64(), 2**64 - 1),
        "null": (pa.null(), None),
        "text": (pa.large_string(), "5.1 cm"),
        "long": (pa.string(), "x" * 100_000),
        "nan": (pa.float64(), float("nan")),
        "infinite": (pa.float32(), float("-inf")),
        "list of structs": (pa.list_(pa.struct([("a", pa.list_(pa.int8()))])), [{"a": [1]}]),
    }


def another_type(chance: random.Random, grid: Grid) -> bytes:
    """A column of any type, in the place of one that is read or beside it."""
    columns, types = _columns(grid), _types()
    for _ in range(chance.randint(1, 2)):
        kind, value = types[chance.choice(sorted(types))]
        name = chance.choice((grid.some_column(chance), grid.target, grid.key, "extra"))
        try:
            columns[name] = _of(kind, value, len(grid.rows))
        except pa.ArrowException:
            columns[name] = _of(pa.string(), str(value), len(grid.rows))
    return _written(pa.table(columns))


def types_beside(chance: random.Random, grid: Grid) -> bytes:
    """A column of any type that no step needs."""
    kind, value = _types()[chance.choice(sorted(_types()))]
    return _written(pa.table({**_columns(grid), "extra": _of(kind, value, len(grid.rows))}))


def dictionary(chance: random.Random, grid: Grid) -> bytes:
    """One long value in very many rows: small on disk, huge when it is decoded."""
    rows, size = chance.choice(((4_000, 50_000), (40_000, 50_000), (200_000, 4_000), (2_000_000, 60)))
    base, times = pa.table(_columns(grid)), rows // len(grid.rows) + 1
    whole = pa.concat_tables([base] * times)
    name = chance.choice((grid.key, grid.target, "extra"))
    long = pa.DictionaryArray.from_arrays(pa.array([0] * len(whole), pa.int32()), ["x" * size])
    whole = whole.drop_columns([name]) if name in whole.column_names else whole
    return _written(whole.append_column(name, long), compression="zstd", row_group_size=len(whole))


def large_pages(chance: random.Random, grid: Grid) -> bytes:
    """Values of a megabyte each, of which a page, or its dictionary, holds a hundred."""
    columns, count = _columns(grid), len(grid.rows)
    name = chance.choice((grid.key, grid.target, grid.some_column(chance), "extra"))
    cells = [chr(97 + row % 26) * (1 << 20) if row < 100 else str(row) for row in range(count)]
    columns[name] = pa.array(cells, pa.large_string())
    return _written(
        pa.table(columns),
        compression="zstd",
        use_dictionary=chance.random() < 0.5,
        dictionary_pagesize_limit=1 << 30,
    )


def large_footer(chance: random.Random, grid: Grid) -> bytes:
    """Metadata of megabytes."""
    table = pa.table(_columns(grid)).replace_schema_metadata({"note": "x" * (chance.choice((1, 20)) << 20)})
    return _written(table)


def damaged_page(chance: random.Random, grid: Grid) -> bytes:
    """The footer is whole, some page is not."""
    table = pa.concat_tables([pa.table(_columns(grid))] * chance.choice((1, 100)))
    data = bytearray(_written(table, compression=chance.choice(("snappy", "none", "zstd", "gzip"))))
    start = chance.randrange(4, max(5, len(data) // 2))
    for place in range(start, min(start + chance.choice((1, 20, 300)), len(data) - 1000)):
        data[place] ^= chance.randrange(1, 256)
    return bytes(data)


def damaged_anywhere(chance: random.Random, grid: Grid) -> bytes:
    """Bytes changed at random, most often in the footer, which is large here."""
    data = bytearray(_written(pa.table(_columns(grid))))
    for _ in range(chance.randint(1, 30)):
        data[chance.randrange(4, len(data) - 4)] = chance.randrange(256)
    return bytes(data)


def cut_off(chance: random.Random, grid: Grid) -> bytes:
    """The upload broke off, or only the first and the last bytes came."""
    data = _written(pa.table(_columns(grid)))
    return chance.choice(
        (data[: chance.randrange(4, len(data))], b"PAR1", b"PAR1PAR1", data[:4] + data[-2000:])
    )


def name_twice(chance: random.Random, grid: Grid) -> bytes:
    """Two columns of one name, or of one but for the blanks and the case."""
    columns = _columns(grid)
    name = chance.choice(list(columns))
    other = chance.choice((name, f" {name} ", name.upper(), f"{name}\n"))
    return _written(pa.Table.from_arrays([*columns.values(), columns[name]], [*columns, other]))


def odd_names(chance: random.Random, grid: Grid) -> bytes:
    """Names with dots, quotes, line ends, control characters, none."""
    names = (
        "",
        " ",
        "a.b",
        "a.list.element",
        'say "so"',
        "a,b",
        "a\nb",
        "\0",
        "prediction",
        "x" * 200_000,
        "c0",
        "🌼",
    )
    columns = _columns(grid)
    filled = pa.array(["1"] * len(grid.rows))
    extra = chance.sample(names, 3)
    return _written(pa.Table.from_arrays([*columns.values(), *[filled] * 3], [*columns, *extra]))


def no_rows(chance: random.Random, grid: Grid) -> bytes:
    """No rows, no columns, no row groups, rows without any value."""
    whole = pa.table(_columns(grid))
    blank = pa.table(
        {
            name: pa.array([None] * 50, column.type)
            for name, column in zip(whole.column_names, whole.columns, strict=True)
        }
    )
    return chance.choice((_written(whole.slice(0, 0)), _written(pa.table({})), _written(blank)))


def many_groups(chance: random.Random, grid: Grid) -> bytes:
    """A row group for every row or two."""
    whole = pa.concat_tables([pa.table(_columns(grid))] * chance.choice((1, 20)))
    return _written(whole, row_group_size=chance.randint(1, 2))


def many_columns(chance: random.Random, grid: Grid) -> bytes:
    """Thousands of columns."""
    columns = _columns(grid)
    one = pa.array([1.0] * len(grid.rows))
    return _written(
        pa.table({**columns, **{f"c{number}": one for number in range(chance.choice((1_000, 4_000)))}})
    )


def encrypted_or_other(chance: random.Random, grid: Grid) -> bytes:
    """An encrypted footer's magic, an Arrow file, ORC, Feather."""
    data, sink = _written(pa.table(_columns(grid))), io.BytesIO()
    with pa.ipc.new_file(sink, pa.table(_columns(grid)).schema) as writer:
        writer.write_table(pa.table(_columns(grid)))
    return chance.choice(
        (b"PARE" + data[4:-4] + b"PARE", sink.getvalue(), b"ORC" + data[3:], data[:-4] + b"PARE")
    )


def huge_text(chance: random.Random, grid: Grid) -> bytes:
    """A few cells of megabytes each, which take no space on disk."""
    size = chance.choice((1 << 20, 30 << 20))
    columns = _columns(grid)
    cells = ["x" * size if n % 10 == 0 else "y" for n in range(len(grid.rows))]
    columns["extra"] = pa.array(cells, pa.large_string())
    return _written(pa.table(columns), compression="zstd", use_dictionary=chance.random() < 0.5)
