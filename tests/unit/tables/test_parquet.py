"""Parquet: the same batches as of a CSV, every type read right or refused by name, bounded when decoded."""

from __future__ import annotations

import io
import struct
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from time import process_time
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from iris_core.errors import DataRejected
from iris_core.tables import MemoryInput, Table, Wanted, read
from iris_core.tables import parquet as module

pytestmark = pytest.mark.unit

WHERE = "s3://b/k.parquet"
LINES = Wanted(("a",), carried="lines")
TYPES: dict[str, tuple[pa.DataType | None, Any]] = {
    "decimal128": (pa.decimal128(6, 2), Decimal("5.10")),
    "decimal256": (pa.decimal256(50, 2), Decimal("5.10")),
    "float16": (pa.float16(), 5.1),
    "float32": (pa.float32(), 5.1),
    "float64": (pa.float64(), 5.1),
    "int8": (pa.int8(), 5),
    "uint64": (pa.uint64(), 5),
    "text": (pa.string(), " 5.1\u00a0"),
    "large text": (pa.large_string(), "5.1"),
    "text view": (pa.string_view(), "+5.1e0"),
    "bool": (pa.bool_(), True),
    "timestamp": (pa.timestamp("us"), datetime(2026, 1, 1)),
    "timestamp in a zone": (pa.timestamp("ns", "Europe/Berlin"), datetime(2026, 1, 1)),
    "timestamp at an offset": (pa.timestamp("ms", "+05:30"), datetime(2026, 1, 1)),
    "timestamp in a zone of others": (pa.timestamp("us", "GMT+01:00"), 1_767_225_600_000_000),
    "date": (pa.date32(), date(2026, 1, 1)),
    "time": (pa.time64("us"), time(1, 2)),
    "duration": (pa.duration("us"), timedelta(1)),
    "binary": (pa.binary(), b"5.1"),
    "fixed binary": (pa.binary(3), b"5.1"),
    "list": (pa.list_(pa.int64()), [5]),
    "struct": (pa.struct({"x": pa.int64()}), {"x": 5}),
    "map": (pa.map_(pa.string(), pa.int64()), [("x", 5)]),
    "uuid": (pa.uuid(), b"0" * 16),
}
NUMBERS = [name for name in TYPES if name.startswith(("decimal", "float", "int", "uint", "text", "large"))]
MOMENTS = ["bool", "timestamp", "timestamp in a zone", "timestamp at an offset", "date", "time"]
MOMENTS.append("timestamp in a zone of others")


def stored(table: pa.Table | pl.DataFrame, **how: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table.to_arrow() if isinstance(table, pl.DataFrame) else table, out, **how)
    return out.getvalue()


def column(name: str, packed: bool = False) -> pa.Array:
    kind, value = TYPES[name]
    array = pa.array([value, None, value], kind)
    return array.dictionary_encode() if packed else array


def opened(data: bytes, wanted: Wanted) -> Table:
    return read(MemoryInput(data, WHERE), wanted)


def refused(data: bytes, wanted: Wanted) -> str:
    with pytest.raises(DataRejected) as caught:
        list(opened(data, wanted).batches())
    return str(caught.value).removeprefix(f"{WHERE}: ")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_feature_of_any_numeric_type(name: str, packed: bool) -> None:
    if packed and name in ("text view", "float16"):
        pytest.skip("Arrow makes no dictionary of it")
    [batch] = opened(stored(pa.table({"a": column(name, packed), "n": [1, 2, 3]})), Wanted(("a",))).batches()
    value = 5.0 if "int" in name else 5.1
    assert batch.features["a"].to_list() == [
        pytest.approx(value, rel=1e-3),
        None,
        pytest.approx(value, rel=1e-3),
    ]
    assert not batch.is_plain


@pytest.mark.parametrize("name", [name for name in TYPES if name not in NUMBERS])
def test_a_feature_of_another_type_is_refused_by_name(name: str) -> None:
    kind = TYPES[name][0]
    told = refused(stored(pa.table({"n": [1, 2, 3], "a": column(name)})), Wanted(("a",)))
    assert told.startswith("column 'a': found the type ")
    assert "expected numbers. Convert the column, or leave it out." in told
    assert str(kind)[:4] in told


@pytest.mark.parametrize("name", [*NUMBERS, *MOMENTS])
@pytest.mark.parametrize("carried", ["lines", "frame"])
def test_a_column_of_a_simple_type_is_carried(name: str, carried: Any) -> None:
    data = stored(pa.table({"a": [1.0, 2.0, 3.0], "x": column(name)}))
    source = opened(data, Wanted(("a",), carried=carried))
    [batch] = source.batches()
    if batch.frame is not None:
        assert batch.frame["x"].is_null().to_list() == [False, True, False]
        return
    assert batch.lines is not None
    assert source.line == b"a,x"
    first, second, third = batch.lines.data.decode().splitlines()
    assert (second, third.partition(",")[2]) == ("2.0,", first.partition(",")[2])
    assert any(sign in first.partition(",")[2] for sign in ("5", "true", "2026", "2025-12-31", "01:02"))


@pytest.mark.parametrize("name", ["duration", "binary", "fixed binary", "list", "struct", "map", "uuid"])
def test_a_column_that_is_no_cell_is_refused_by_name_where_it_is_read(name: str) -> None:
    data = stored(pa.table({"a": [1.0, 2.0, 3.0], "x": column(name)}))
    for wanted in (
        LINES,
        Wanted(("a",), carried="frame"),
        Wanted(("a",), has_rest=True),
        Wanted(text=("x",)),
    ):
        told = refused(data, wanted)
        assert told.startswith("column 'x': found the type ")
        assert "expected text, numbers, dates or truth values. Convert the column, or leave it out." in told
    [batch] = opened(data, Wanted(("a",))).batches()
    assert len(batch) == 3


def test_a_name_twice() -> None:
    table = pa.Table.from_arrays([pa.array([1.0])] * 3, ["a", "x", " x"])
    assert refused(stored(table), LINES).startswith(
        "found columns 2 and 3 both named 'x', expected every name once"
    )


def test_blanks_around_a_name_and_dots_in_it() -> None:
    data = stored(pa.table({" a ": [1.5], "a.b": ["x"]}))
    [batch] = opened(data, Wanted(("a",), text=("a.b",))).batches()
    assert (batch.features.rows(), batch.text.rows()) == ([(1.5,)], [("x",)])


@pytest.mark.parametrize(
    "kind", [pa.bool_(), pa.int8(), pa.float32(), pa.decimal128(4, 1), pa.decimal256(4, 1)]
)
@pytest.mark.parametrize("classes", [("0", "1"), ("True", "False")])
def test_labels_of_any_type(kind: pa.DataType, classes: tuple[str, ...]) -> None:
    values: list[Any] = [Decimal(1), Decimal(0), None] if pa.types.is_decimal(kind) else [1, 0, None]
    if kind == pa.bool_():
        values = [True, False, None]
    table = pa.table({"a": [1.0, 2.0, 3.0], "k": pa.array(values, kind)})
    [batch] = opened(stored(table), Wanted(("a",), ("k",), classes)).batches()
    right = ["1", "0", None] if classes[0] == "0" else ["True", "False", None]
    assert batch.labels["k"].text().to_list() == right


def test_ids_of_any_type_are_written_alike() -> None:
    ids = {
        "int": pa.array([1000, 7], pa.int32()),
        "float": pa.array([1000.0, 7.0]),
        "decimal": pa.array([Decimal(1000), Decimal(7)], pa.decimal128(8, 2)),
        "wide decimal": pa.array([Decimal(1000), Decimal(7)], pa.decimal256(50, 2)),
        "text": pa.array(["1000", "7"]),
    }
    for array in ids.values():
        data = stored(pa.table({"a": [1.0, 2.0], "id": array}))
        [batch] = opened(data, Wanted(text=("id",))).batches()
        assert batch.text["id"].to_list() == ["1000", "7"]
        [batch] = opened(data, Wanted(("a",), key="id", carried="lines")).batches()
        assert batch.lines is not None
        assert batch.lines.data == b"1.0,1000\n2.0,7\n"


def test_a_time_keeps_its_fraction_of_a_second() -> None:
    data = stored(pa.table({"id": [time(1, 2, 3), time(1, 2, 3, 500_000), time(1, 2, 3, 500_001), None]}))
    [batch] = opened(data, Wanted(text=("id",))).batches()
    assert batch.text["id"].to_list() == ["01:02:03", "01:02:03.500", "01:02:03.500001"]


def test_rows_without_a_value_are_skipped_but_counted() -> None:
    table = pl.DataFrame({"a": [1.0, None, float("nan"), None, 2.0], "x": ["x", None, "y", " ", ""]})
    [batch] = opened(stored(table), LINES).batches()
    assert batch.numbers.tolist() == [2, 4, 6]
    assert batch.features["a"].to_list() == [1.0, None, 2.0]
    assert batch.lines is not None
    assert batch.lines.data.splitlines() == [b"1.0,x", b"NaN,y", b'2.0,""']


def test_lines_hold_what_a_csv_must_quote() -> None:
    table = pl.DataFrame({"a": [1.0, 2.0], "x": ['a, "b"\nc', "d"]})
    [batch] = opened(stored(table), LINES).batches()
    assert batch.lines is not None
    assert batch.lines.data == b'1.0,"a, ""b""\nc"\n2.0,d\n'
    assert batch.lines.ends.tolist() == [16, 22]


def test_a_table_without_rows() -> None:
    [batch] = opened(stored(pl.DataFrame(schema={"a": pl.Float64, "x": pl.String})), LINES).batches()
    assert len(batch) == 0
    assert batch.features.schema == pl.Schema({"a": pl.Float64})


def test_several_row_groups_are_numbered_on() -> None:
    table = pl.DataFrame({"a": range(100_000), "x": [f"x{n}" for n in range(100_000)]})
    batches = list(opened(stored(table, row_group_size=30_000), LINES).batches())
    assert [number for batch in batches for number in batch.numbers] == list(range(2, 100_002))
    assert sum(batch.features["a"].sum() for batch in batches) == sum(range(100_000))


@pytest.mark.parametrize("flip", [30, 200])
def test_a_damaged_page_shows_while_it_is_decoded(flip: int) -> None:
    table = pl.DataFrame({"a": [n / 7 for n in range(12_000)], "x": [f"x{n % 97}" for n in range(12_000)]})
    data = bytearray(stored(table, compression="snappy"))
    data[flip : flip + 200] = bytes(byte ^ 0xFF for byte in data[flip : flip + 200])
    told = refused(bytes(data), LINES)
    assert told.startswith("found a damaged Parquet file (")
    assert told.endswith("expected a whole one. Write the file again. Then upload the file again.")


@pytest.mark.parametrize("cut", [4, 8, 60, 300])
def test_a_cut_file(cut: int) -> None:
    data = stored(pl.DataFrame({"a": [1.0] * 100}))
    assert refused(data[:cut], LINES).startswith("found a damaged Parquet file (")


class TestBounds:
    """A value of 20 KB in 10,000 rows takes a kilobyte on disk and 200 MB when it is decoded."""

    LONG = ["x" * 20_000] * 10_000

    @pytest.mark.parametrize(
        "how",
        [
            {"compression": "zstd"},
            {"compression": "zstd", "use_dictionary": False},
            {"compression": "zstd", "use_dictionary": False, "column_encoding": {"x": "DELTA_BYTE_ARRAY"}},
        ],
    )
    @pytest.mark.parametrize("packed", [False, True])
    def test_by_what_is_decoded(self, how: dict[str, Any], packed: bool) -> None:
        if packed and "column_encoding" in how:
            pytest.skip("Arrow does not read that")
        column = pa.array(self.LONG).dictionary_encode() if packed else pa.array(self.LONG)
        data = stored(pa.table({"a": [1.5] * 10_000, "x": column}), **how)
        sizes = [batch.frame.estimated_size() for batch in self.batches(data)]
        assert sum(sizes) >= 200_000_000
        assert max(sizes) <= 2 * module.MOST_BYTES

    def test_the_last_row_alone_does_not_count_its_whole_dictionary(self) -> None:
        values = pa.array([f"{n}{'x' * 20_000}" for n in range(150)])
        rows = 64 * 3 + 1
        column = pa.DictionaryArray.from_arrays([n % 150 for n in range(rows)], values)
        batches = list(self.batches(stored(pa.table({"a": [1.5] * rows, "x": column}))))
        assert (len(batches[-1]), sum(map(len, batches))) == (1, rows)

    def test_dates_beyond_the_calendar_are_refused(self) -> None:
        data = stored(pa.table({"a": [1.5], "x": pa.array([2**62], pa.date64())}))
        with pytest.raises(DataRejected, match=r"damaged Parquet file .*out-of-range date"):
            list(opened(data, Wanted(("a",), carried="lines")).batches())

    def test_a_dictionary_of_short_values_is_read_in_large_slices(self) -> None:
        data = stored(pa.table({"a": [1.5] * 200_000, "x": ["alpha", "beta"] * 100_000}))
        assert max(batch.frame.height for batch in self.batches(data)) == module.MOST_ROWS

    def test_a_large_row_group_is_read_piece_by_piece(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = stored(pa.table({"a": [n / 7 for n in range(200_000)], "x": list(map(str, range(200_000)))}))
        whole = pl.concat(batch.frame for batch in self.batches(data))
        monkeypatch.setattr(module, "GROUP_BYTES", 1000)
        assert pl.concat(batch.frame for batch in self.batches(data)).equals(whole)

    @staticmethod
    def batches(data: bytes) -> Any:
        return opened(data, Wanted(("a",), carried="frame")).batches()


def test_columns_without_a_name_and_with_odd_ones() -> None:
    names = ["a", "", "a.b", "\0", "c1", "a\nb"]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([1.0, 2.0])] * 6, names), out)
    [batch] = read(MemoryInput(out.getvalue(), "t"), Wanted(("a",), has_rest=True)).batches()
    assert batch.text.columns == [name.strip() for name in names[1:]]
    assert batch.text["c1"].to_list() == ["1", "2"]


def test_the_header_quotes_what_a_csv_must() -> None:
    source = opened(stored(pa.table({"a": [1.0], "x\ny": [1.0], "x\ry": [1.0], 'x"': [1.0]})), LINES)
    assert source.line == b'a,"x\ny","x\ry","x"""'


def test_thousands_of_columns_take_no_longer_each() -> None:
    def seconds(width: int) -> float:
        out = io.BytesIO()
        pq.write_table(pa.table({f"c{n}": [1.0] for n in range(width)}), out)
        began = process_time()
        list(read(MemoryInput(out.getvalue(), "t"), Wanted(("c0",), has_rest=True)).batches())
        return process_time() - began

    assert seconds(4_000) < 16 * max(seconds(1_000), 0.05)


def test_a_row_of_megabytes_that_is_small_on_disk() -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": [1.0, 2.0], "note": ["x", "y" * (9 << 20)]}), out, compression="zstd")
    with pytest.raises(DataRejected) as caught:
        list(read(MemoryInput(out.getvalue(), "t"), Wanted(("a",), has_rest=True)).batches())
    assert str(caught.value).startswith(
        "t: row 3: found a row of 9,437,197 bytes, expected rows of at most 1 MB"
    )


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_what_unpacks_to_more_than_it_may(kind: pa.DataType) -> None:
    out = io.BytesIO()
    note = pa.array(["y" * 50_000] * 2_000).dictionary_encode().cast(kind)
    pq.write_table(pa.table({"a": [1.0] * 2_000, "note": note}), out, compression="zstd")
    assert out.tell() < 100_000
    with pytest.raises(DataRejected) as caught:
        list(read(MemoryInput(out.getvalue(), "t", 200), Wanted(("a",), has_rest=True)).batches())
    assert "bytes that unpack to more than 64 MB, expected at most 200 times their size" in str(caught.value)


FOOTERS = {
    "a minimum of seven bytes": ("28 08 00", "28 07"),
    "a histogram of too few levels": ("19 26 02 04", "19 16 06"),
    "an encrypted column": ("02 04 00 00 00 16", "02 04 00 00 5c 2c 19 18 01 61 00 00 00 16"),
    "a column's path that is no text": ("18 01 61 15", "18 01 e9 15"),
    "a part of a column too few": ("19 1c 19 1c 26", "19 1c 19 0c 26"),
    "a part of a column too many": ("19 1c 19 1c 26", "19 1c 19 2c 00 26"),
}
"""What is wrong with a footer: bytes of Thrift, and what stands in their place."""
UNREAD = "a column's path that is no text"
"""Arrow itself does not look at it."""


@pytest.mark.parametrize("name", FOOTERS)
def test_pyarrow_would_end_the_process_at_a_footer(name: str) -> None:
    """Its access to what the footer says of a column does not catch what Arrow throws there."""
    right, wrong = map(bytes.fromhex, FOOTERS[name])
    data = stored(pa.table({"a": [1.5, 2.5, None]}), store_schema=False)
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = data[start:-8]
    assert footer.count(right) == 1
    footer = footer.replace(right, wrong)
    data = data[:start] + footer + len(footer).to_bytes(4, "little") + data[-4:]
    for wanted in (LINES, Wanted(("a",)), Wanted(has_rest=True)):
        if name == UNREAD:
            assert [len(batch) for batch in opened(data, wanted).batches()] == [2]
        else:
            assert refused(data, wanted).startswith("found a damaged Parquet file (")


def test_a_page_is_compared_with_its_checksum() -> None:
    """Nothing else shows damage in a page that is not compressed."""
    how = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    data = stored(pa.table({"a": [1.5, 2.5]}), **how)
    told = refused(data.replace(struct.pack("<2d", 1.5, 2.5), struct.pack("<2d", 1.5, 7.5)), Wanted(("a",)))
    assert told.startswith("found a damaged Parquet file (could not verify page integrity, CRC checksum")
