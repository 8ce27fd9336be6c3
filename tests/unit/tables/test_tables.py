"""Reading CSVs: every odd file either reads as a spreadsheet reads it, or is refused with its row."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.errors import DataRejected
from iris_core.settings.project import Feature, TableSchema
from iris_core.tables import Batch, Repeats, batches, is_missing, numbers, typed_frame

pytestmark = pytest.mark.unit

WHERE = "s3://team-a-bucket/iris/iris_train.csv"
TABLE = TableSchema(
    features=(Feature(name="a", min=0, max=10), Feature(name="b", min=0, max=10)),
    target="kind",
    classes=("x", "y"),
)


def read(*chunks: bytes, size: int = 1 << 20) -> list[tuple[int, tuple[str, ...]]]:
    """Every row with its number."""
    found: list[tuple[int, tuple[str, ...]]] = []
    for batch in batches(chunks, WHERE, size):
        found += zip(numbered(batch), batch.frame.rows(), strict=True)
    return found


def numbered(batch: Batch) -> list[int]:
    return batch.rows(pl.Series([True] * batch.frame.height, dtype=pl.Boolean))


def columns(data: bytes) -> list[str]:
    return next(iter(batches([data], WHERE))).frame.columns


def refused(data: bytes, size: int = 1 << 20, longest_row: int = 1 << 25) -> str:
    """The sentence of the refusal, without the object's URI that it begins with."""
    with pytest.raises(DataRejected) as caught:
        list(batches([data], WHERE, size, longest_row))
    message = str(caught.value)
    assert message.startswith(f"{WHERE}: ")
    assert message.endswith("Then upload the file again.")
    assert caught.value.evidence["findings"][0]["count"] <= 1
    return message.removeprefix(f"{WHERE}: ")


class TestReads:
    @pytest.mark.parametrize(
        "data",
        [
            b"a,b\n1,2\n3,4\n",
            b"a,b\n1,2\n3,4",
            b"a,b\r\n1,2\r\n3,4\r\n",
            b"a,b\r\n1,2\r\n3,4",
            b"\xef\xbb\xbfa,b\n1,2\n3,4\n",
            b'"a","b"\n"1","2"\n3,"4"\n',
            b'"a","b"\r\n"1","2"\r\n3,"4"\r\n',
            b" a ,\tb\n1,2\n3,4\n",
            b"a,b\n1,2\n3,4\n\n\r\n  \n",
        ],
        ids=[
            "plain",
            "no end",
            "crlf",
            "crlf, no end",
            "bom",
            "quoted",
            "quoted crlf",
            "spaces",
            "blank tail",
        ],
    )
    def test_ways_to_write_one_table(self, data: bytes) -> None:
        assert columns(data) == ["a", "b"]
        assert read(data) == [(2, ("1", "2")), (3, ("3", "4"))]

    def test_cells_stay_raw_text(self) -> None:
        rows = read('a,b\n 1 ,007\n"x, ""y""",é\n,""\n'.encode())
        assert [cells for _, cells in rows] == [(" 1 ", "007"), ('x, "y"', "é"), ("", "")]

    def test_blank_lines_are_skipped_but_counted(self) -> None:
        assert read(b"a,b\n1,2\n\n \r\n3,4\n\n5,6\n") == [(2, ("1", "2")), (5, ("3", "4")), (7, ("5", "6"))]

    def test_blank_lines_before_header_and_first_row(self) -> None:
        assert read(b"\n\na,b\n\n1,2\n") == [(5, ("1", "2"))]

    def test_blank_lines_longer_than_a_batch(self) -> None:
        data = b"\n" * 50 + b"a,b\n" + b"\n" * 50 + b"1,2\n"
        assert read(data, size=8) == [(102, ("1", "2"))]

    def test_blank_lines_of_one_column_are_no_rows(self) -> None:
        assert read(b'a\n1\n\n""\n2\n') == [(2, ("1",)), (4, ("",)), (5, ("2",))]

    def test_quoted_newline_is_one_row(self) -> None:
        assert read(b'a,b\n"1\n\n1",2\n3,4\n') == [(2, ("1\n\n1", "2")), (3, ("3", "4"))]

    def test_newline_in_header(self) -> None:
        assert columns(b'"a\nb",c\n1,2\n') == ["a\nb", "c"]
        assert read(b'"a\nb",c\n1,2\n') == [(2, ("1", "2"))]

    def test_only_a_header_gives_one_empty_batch(self) -> None:
        (batch,) = batches([b"a,b"], WHERE)
        assert (batch.frame.columns, batch.frame.height, batch.first_row) == (["a", "b"], 0, 2)

    def test_unnamed_index_column(self) -> None:
        assert columns(b",a\n0,1\n") == ["", "a"]

    def test_one_byte_chunks(self) -> None:
        data = b'a,b\r\n1,"2\r\n"\r\n\r\n3,4'
        assert read(*(data[i : i + 1] for i in range(len(data))), size=4) == read(data)

    def test_rows_of_a_mask(self) -> None:
        (batch,) = batches([b"a\n1\n\n2\n1\n\n1\n"], WHERE)
        mask = batch.frame["a"] == "1"
        assert batch.rows(mask) == [2, 5, 7]
        assert batch.rows(mask, 2) == [2, 5]


class TestMemory:
    def test_batches_are_bounded_whatever_the_chunks(self) -> None:
        rows = b"".join(b"%d,%d\n" % (i, i) for i in range(50_000))
        for chunks in ([b"a,b\n" + rows], [b"a,b\n", rows, rows]):
            sizes = [batch.frame.height for batch in batches(chunks, WHERE, 4096)]
            assert sum(sizes) in (50_000, 100_000)
            assert max(sizes) <= 4096 * 2 // 4

    def test_chunks_are_not_read_ahead(self) -> None:
        taken = 0

        def chunks() -> Iterator[bytes]:
            nonlocal taken
            yield b"a,b\n"
            for _ in range(1000):
                taken += 1
                yield b"1,2\n" * 100

        next(iter(batches(chunks(), WHERE, 1000)))
        assert taken <= 4

    def test_unclosed_quote_does_not_swallow_the_file(self) -> None:
        taken = 0

        def chunks() -> Iterator[bytes]:
            nonlocal taken
            yield b'a,b\n1,"2\n'
            for _ in range(1000):
                taken += 1
                yield b"1,2\n" * 100

        with pytest.raises(DataRejected, match="row 2: found a quote that is never closed"):
            list(batches(chunks(), WHERE, 1000, longest_row=5000))
        assert taken <= 20

    def test_row_that_never_ends(self) -> None:
        sentence = refused(b"a,b\n1,2\n" + b"9" * 4_000_000, size=1000, longest_row=1 << 20)
        assert sentence.startswith("row 3: found 1 MB without a line end")


class TestRefuses:
    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b"", "found no bytes, expected a header and rows. Check the export."),
            (b"\xef\xbb\xbf", "found nothing but blanks"),
            (b" \n\r\n\t\n", "found nothing but blanks"),
            ("a,b\n1,2\n".encode("utf-16"), "found UTF-16, expected UTF-8. Save it as UTF-8."),
            ("a,b\n1,2\n".encode("utf-16-le"), "row 1: found NUL bytes, as in UTF-16, expected UTF-8"),
            ("a,b\n1,2\n".encode("utf-16-be"), "row 1: found NUL bytes, as in UTF-16, expected UTF-8"),
            ("a,b\n1,2\né,3\n".encode("latin-1"), "row 3: found byte 0xE9, which is not UTF-8"),
            ("é,b\n1,2\n".encode("latin-1"), "row 1: found byte 0xE9, which is not UTF-8"),
            (b"PK\x03\x04\0\0", "found an Excel workbook or a zip archive, expected a CSV file"),
            (b"a,b,a\n1,2,3\n", "row 1: found columns 1 and 3 both named 'a', expected every name once"),
            (b"a,b,\xc2\xa0,\n1,2,3,4\n", "row 1: found columns 3 and 4 both without a name"),
            (b'a," a"\n1,2\n', "row 1: found columns 1 and 2 both named 'a'"),
            (b"a,b\n1,2\n1,2,3\n", "row 3: found 3 fields, expected 2 fields as in the header"),
            (b"a,b\n1,2\n\n1\n", "row 4: found 1 field, expected 2 fields as in the header"),
            (b'a,b\n"1\n1",2\n1\n1,2,3\n', "row 3: found 1 field, expected 2 fields"),
            (b'a,b\n"1,2"\n', "row 2: found 1 field, expected 2 fields"),
            (b"a\n1\n1,2\n", "row 3: found 2 fields, expected 1 field as in the header"),
            (b'a,b\n1,2\n3,"4\n5,6\n', "row 3: found a quote that is never closed"),
            (b'a,"b\n1,2\n', "row 1: found a quote that is never closed"),
            (b'a,b\n1,2\n3,5"\n4,5"\n', "row 3: found a quote in the midst of a value"),
            (b'a,b\n1,2\n3,"5" \n', "row 3: found a quote in the midst of a value"),
            (b'a, "b"\n1,2\n', "row 1: found a quote in the midst of a value"),
            (b'a,b\n1,"2\n3,"4"\n5,"6"\n7,8"\n', "row 2: found a quote in the midst of a value"),
            (b"a;b\n1,0;2,5\n", "row 1: found columns separated by ';', expected ','. Export it as CSV ("),
            (b'"a";"b"\n"1";"2"\n', "row 1: found columns separated by ';'"),
            (b"a\tb\n1\t2\n", "row 1: found columns separated by tabs"),
            (b"a,b\r1,2\r", "row 1: found carriage returns alone at line ends, expected newlines"),
        ],
    )
    def test_sentence(self, data: bytes, sentence: str) -> None:
        assert refused(data).startswith(sentence)

    def test_long_and_short_rows_do_not_make_up_for_each_other(self) -> None:
        assert refused(b"a,b,c\n1,2\n1,2,3,4\n").startswith("row 2: found 2 fields, expected 3 fields")

    @pytest.mark.parametrize("size", [1, 7, 64])
    def test_row_is_the_same_in_small_batches(self, size: int) -> None:
        data = b"a,b\n" + b"1,2\n\n" * 20 + b"\xe9,2\n"
        assert refused(data, size).startswith("row 42: found byte 0xE9")


CELL = st.text(st.sampled_from('ab1 ,"\n\ré€'), max_size=5)
ROWS = st.lists(st.tuples(CELL, CELL, CELL), max_size=12)


def written(rows: list[tuple[str, ...]], end: str = "\n") -> bytes:
    """As a CSV; all cells quoted under "\\n", because Python 3.11 then writes a '\\r' without quotes."""
    out = io.StringIO()
    quoting = csv.QUOTE_ALL if end == "\n" else csv.QUOTE_MINIMAL
    csv.writer(out, lineterminator=end, quoting=quoting).writerows([("a", "b", "c"), *rows])
    return out.getvalue().encode()


class TestProperties:
    @given(ROWS, st.sampled_from(["\n", "\r\n"]), st.integers(1, 40))
    def test_reads_what_the_csv_module_writes(self, rows: list[tuple[str, ...]], end: str, size: int) -> None:
        assert [cells for _, cells in read(written(rows, end), size=size)] == rows

    @given(ROWS, st.lists(st.integers(0, 200)), st.integers(1, 40))
    def test_any_split_gives_the_same_rows(
        self, rows: list[tuple[str, ...]], cuts: list[int], size: int
    ) -> None:
        data = written(rows)
        places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        chunks = [data[start:end] for start, end in pairwise(places)]
        assert read(*chunks, size=size) == read(data)

    @given(st.lists(st.one_of(st.just(None), st.tuples(CELL, CELL, CELL))), st.integers(1, 40))
    def test_row_numbers_are_those_of_lines_in_a_naive_reading(
        self, rows: list[tuple[str, ...] | None], size: int
    ) -> None:
        lines = [written([row]).partition(b"\n")[2] if row else b"\n" for row in rows]
        expected = [(number, row) for number, row in enumerate(rows, start=2) if row]
        assert read(b"a,b,c\n" + b"".join(lines), size=size) == expected


class TestNumbers:
    def cast(self, *cells: str) -> list[float | None]:
        return numbers(pl.DataFrame({"a": cells}), ["a"])["a"].to_list()

    def test_numbers(self) -> None:
        assert self.cast("1", " 2.5 ", "-3e2", "+.5", "\t7") == [1.0, 2.5, -300.0, 0.5, 7.0]

    def test_infinite(self) -> None:
        assert self.cast("inf", "-Infinity", "1e400") == [math.inf, -math.inf, math.inf]

    @pytest.mark.parametrize("cell", ["", " ", "NA", "NaN", "nan", "null", " None "])
    def test_missing(self, cell: str) -> None:
        assert self.cast("1", cell) == [1.0, None]
        assert is_missing(pl.Series(["1", cell])).to_list() == [False, True]

    @pytest.mark.parametrize("cell", ["1,5", "1_000", "5 cm", "abc", "0x1", "1.2.3", "--1"])
    def test_not_numbers(self, cell: str) -> None:
        assert self.cast("1", cell) == [1.0, None]
        assert not is_missing(pl.Series([cell])).any()

    def test_only_the_named_columns_in_that_order(self) -> None:
        frame = numbers(pl.DataFrame({"a": ["1"], "b": ["2"], "c": ["x"]}), ["b", "a"])
        assert frame.schema == {"b": pl.Float64, "a": pl.Float64}
        assert frame.rows() == [(2.0, 1.0)]


class TestTypedFrame:
    def test_order_of_the_schema_and_text_target(self) -> None:
        frame = typed_frame([b"kind,extra,b,a\n x ,1,2, 3\ny,1,5,6\n"], WHERE, TABLE, with_target=True)
        assert frame.schema == {"a": pl.Float64, "b": pl.Float64, "kind": pl.String}
        assert frame.rows() == [(3.0, 2.0, "x"), (6.0, 5.0, "y")]

    def test_without_the_target(self) -> None:
        assert typed_frame([b"b,a\n1,2\n"], WHERE, TABLE, with_target=False).rows() == [(2.0, 1.0)]

    def test_only_a_header(self) -> None:
        frame = typed_frame([b"a,b\n"], WHERE, TABLE, with_target=False)
        assert (frame.height, frame.schema) == (0, {"a": pl.Float64, "b": pl.Float64})

    def test_missing_column(self) -> None:
        with pytest.raises(
            DataRejected, match=r"'kind': found no such column among 'a', 'b', 'Kinds' \(is it 'Kinds'\?\)"
        ):
            typed_frame([b"a,b,Kinds\n1,2,x\n"], WHERE, TABLE, with_target=True)

    def test_missing_feature(self) -> None:
        with pytest.raises(
            DataRejected, match=r"column 'b': found no such column among 'a', 'kind', expected"
        ):
            typed_frame([b"a,kind\n1,x\n"], WHERE, TABLE, with_target=False)


class TestRepeats:
    def count(self, most: int, *values: list[int]) -> Repeats:
        repeats = Repeats(most)
        for batch in values:
            repeats.add(pl.DataFrame({"a": map(str, batch)}))
        return repeats

    @given(st.lists(st.lists(st.integers(0, 30))))
    def test_exact_while_distinct_rows_fit(self, values: list[list[int]]) -> None:
        flat = [one for batch in values for one in batch]
        repeats = self.count(31, *values)
        assert (repeats.total, repeats.is_exact) == (len(flat) - len(set(flat)), True)

    def test_one_row_many_times_is_exact(self) -> None:
        repeats = self.count(10, *[[1] * 1000] * 50)
        assert (repeats.total, repeats.is_exact) == (49_999, True)

    def test_estimate_beyond(self) -> None:
        """Sampling about 5,000 of 100,000 distinct rows: a standard error of some 1.4 %."""
        halves = [list(range(start, start + 10_000)) for start in range(0, 100_000, 10_000)]
        repeats = self.count(10_000, *halves, *halves)
        assert not repeats.is_exact
        assert repeats.total == pytest.approx(100_000, rel=0.06)
