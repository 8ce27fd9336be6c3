"""Reading CSVs: every odd file either reads as a spreadsheet reads it, or is refused with its row."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.errors import DataRejected
from iris_core.tables import MemoryInput, Table, Wanted
from iris_core.tables import read as begin

pytestmark = pytest.mark.unit

WHERE = "s3://team-a-bucket/iris/iris_train.csv"
ALL = Wanted(has_rest=True)
Row = tuple[int, tuple[str, ...]]


def read(data: bytes, size: int = 1 << 20) -> list[Row]:
    """Every row with its number."""
    return rows(begin(MemoryInput(data, WHERE), ALL, block_bytes=size))


def rows(table: Table) -> list[Row]:
    found: list[Row] = []
    for batch in table.batches():
        found += zip(batch.numbers.tolist(), batch.text.rows(), strict=True)
    return found


def columns(data: bytes) -> list[str]:
    return list(begin(MemoryInput(data, WHERE), ALL).columns)


def refused(data: bytes, size: int = 1 << 20) -> str:
    """The sentence of the refusal, without the object's URI that it begins with."""
    with pytest.raises(DataRejected) as caught:
        read(data, size)
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
        rows = read('a,b\n 1 ,007\n"x, ""y""",é\n"",-\n'.encode())
        assert [cells for _, cells in rows] == [(" 1 ", "007"), ('x, "y"', "é"), ("", "-")]

    def test_blank_lines_are_skipped_but_counted(self) -> None:
        assert read(b"a,b\n1,2\n\n \r\n3,4\n\n5,6\n") == [(2, ("1", "2")), (5, ("3", "4")), (7, ("5", "6"))]

    def test_blank_lines_before_header_and_first_row(self) -> None:
        assert read(b"\n\na,b\n\n1,2\n") == [(5, ("1", "2"))]

    def test_blank_lines_longer_than_a_batch(self) -> None:
        data = b"\n" * 50 + b"a,b\n" + b"\n" * 50 + b"1,2\n"
        assert read(data, size=8) == [(102, ("1", "2"))]

    def test_rows_without_a_value_are_skipped_but_counted(self) -> None:
        assert read(b'a\n1\n\n""\n2\n') == [(2, ("1",)), (5, ("2",))]
        assert read('a,b\n1,2\n,\n,,,\n "","" \n'.replace(' "', '"').replace('" ', '"').encode()) == [
            (2, ("1", "2"))
        ]
        assert read("a,b\n \u00a0,\t\u3000\n3,4\n".encode()) == [(3, ("3", "4"))]
        assert read(b",,\na,b,\n1,2,\n") == [(3, ("1", "2", ""))]

    def test_quoted_commas_are_values(self) -> None:
        assert read(b'a,b\n",",\n') == [(2, (",", ""))]

    def test_nameless_columns_without_values_are_none(self) -> None:
        assert read(b"a,b,,\n1,2,,\n3,4, ,\n") == [(2, ("1", "2", "")), (3, ("3", "4", " "))]
        assert read(b'a,,\n"1",,"" \n'.replace(b'"" ', b'""')) == [(2, ("1", ""))]

    def test_the_end_of_a_dos_file(self) -> None:
        for end in (b"\n\x1a", b"\x1a", b"\r\n\x1a\x1a"):
            assert read(b"a,b\n1,2" + end) == [(2, ("1", "2"))]

    def test_quoted_newline_is_one_row(self) -> None:
        assert read(b'a,b\n"1\n\n1",2\n3,4\n') == [(2, ("1\n\n1", "2")), (3, ("3", "4"))]

    def test_newline_in_header(self) -> None:
        assert columns(b'"a\nb",c\n1,2\n') == ["a\nb", "c"]
        assert read(b'"a\nb",c\n1,2\n') == [(2, ("1", "2"))]

    def test_only_a_header_gives_one_empty_batch(self) -> None:
        [batch] = begin(MemoryInput(b"a,b", WHERE), ALL).batches()
        assert (batch.text.columns, batch.text.height) == (["a", "b"], 0)

    def test_unnamed_index_column(self) -> None:
        assert columns(b",a\n0,1\n") == ["", "a"]

    def test_a_byte_order_mark_in_a_cell_stays(self) -> None:
        data = "a,b\n1,2\n\ufeff3,4\n".encode()
        assert read(data) == read(data, size=4) == [(2, ("1", "2")), (3, ("\ufeff3", "4"))]


@dataclass
class Endless:
    """Rows without an end, below a first piece."""

    first: bytes
    reads: list[int] = field(default_factory=list)
    where: str = "endless"
    size: int = 1 << 40
    unpack_ratio: int | None = None

    def read(self, start: int, end: int) -> bytes:
        self.reads.append(start)
        return self.first * (start == 0) + b"1,2\n" * ((end - start) // 4)


class TestMemory:
    def test_batches_are_bounded_and_little_is_read_ahead(self) -> None:
        given = Endless(b"a,b\n")
        batch = next(begin(given, ALL).batches())
        assert len(batch) <= 1 << 20
        assert len(given.reads) <= 8

    def test_unclosed_quote_does_not_swallow_the_file(self) -> None:
        given = Endless(b'a,b\n1,"2\n')
        with pytest.raises(DataRejected, match="row 2: found a quote that is not closed within 1 MB"):
            rows(begin(given, ALL))
        assert len(given.reads) <= 16

    @pytest.mark.parametrize("sign", [b",", b" ", b"\t"])
    def test_a_row_without_a_value_that_does_not_end_hides_nothing_behind_it(self, sign: bytes) -> None:
        sentence = refused(b"a,b\n1,2\n" + sign * (9 << 20) + b"\n3,4\n")
        assert sentence.startswith("row 3: found 1 MB without the end of the row")

    def test_row_that_never_ends(self) -> None:
        assert refused(b"a,b\n1,2\n" + b"9" * (12 << 20)).startswith(
            "row 3: found 1 MB without the end of the row"
        )

    @pytest.mark.parametrize("cell", [b"x" * (5 << 20), b"x" * (5 << 18), b'"' + b"a,\n" * (6 << 17) + b'"'])
    def test_a_row_that_is_too_long_is_named(self, cell: bytes) -> None:
        sentence = refused(b"a,b\n1,2\n3," + cell + b"\n4,5\n", 8 << 20)
        assert sentence.startswith("row 3: found a row of ")
        assert (
            "expected rows of at most 1 MB. Leave out what no model needs (long texts, columns)." in sentence
        )

    def test_a_block_of_many_short_rows_is_cut(self) -> None:
        lines = [f'"{n % 9}"' if n % 3 else str(n % 9) for n in range(250_000)]
        found = list(begin(MemoryInput("\n".join(["a", *lines]).encode(), WHERE), ALL).batches())
        assert max(map(len, found)) == 25_000
        assert [number for batch in found for number in batch.numbers.tolist()] == list(range(2, 250_002))
        assert [cell for batch in found for cell in batch.text["a"]] == [line.strip('"') for line in lines]

    def test_too_many_columns(self) -> None:
        names = ",".join(f"c{number}" for number in range(6_001))
        assert refused(f"{names}\n".encode()).startswith(
            "row 1: found 6,001 columns, expected at most 6,000."
        )
        asked = Wanted(features=tuple(f"c{number}" for number in range(10)))
        assert len(begin(MemoryInput(f"{names}\n".encode(), WHERE), asked).columns) == 6_001

    def test_an_open_quote_in_the_header_is_found_at_once(self) -> None:
        """Not by counting the quotes before each of a million newlines."""
        sentence = refused(b'"a' + b"\n" * 2_000_000)
        assert sentence.startswith("row 1: found a quote that is not closed within 1 MB")


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
            (b"PK\x03\x04\0\0", "found an Excel workbook or a zip archive, expected a CSV file, plain or"),
            (
                b"# LIMS, March\na,b\n1,2\n",
                "row 1: found '# LIMS, March', a comment, expected the columns' names",
            ),
            (
                b"sep=;\na;b\n1;2\n",
                "row 1: found 'sep=;', which names a separator, expected the columns' names. Del",
            ),
            (
                b"a,b,,\n1,2,,3\n",
                "row 2: found '3' in column 4, which has no name, expected a name for every col",
            ),
            (b"a,b,a\n1,2,3\n", "row 1: found columns 1 and 3 both named 'a', expected every name once"),
            (b"a,b,\xc2\xa0,\n1,2,3,4\n", "row 2: found '4' in column 4, which has no name"),
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


def has_value(cell: str) -> bool:
    return bool(cell.strip(' \n\r"'))


def written(rows: list[tuple[str, ...]], end: str = "\n") -> bytes:
    """As a CSV; all cells quoted under "\\n", because Python 3.11 then writes a '\\r' without quotes."""
    out = io.StringIO()
    quoting: Literal[0, 1] = csv.QUOTE_ALL if end == "\n" else csv.QUOTE_MINIMAL
    csv.writer(out, lineterminator=end, quoting=quoting).writerows([("a", "b", "c"), *rows])
    return out.getvalue().encode()


class TestProperties:
    @given(ROWS, st.sampled_from(["\n", "\r\n"]), st.integers(1, 40))
    def test_reads_what_the_csv_module_writes(self, rows: list[tuple[str, ...]], end: str, size: int) -> None:
        filled = [row for row in rows if any(map(has_value, row))]
        assert [cells for _, cells in read(written(rows, end), size=size)] == filled

    @given(st.lists(st.one_of(st.just(None), st.tuples(CELL, CELL, CELL))), st.integers(1, 40))
    def test_row_numbers_are_those_of_lines_in_a_naive_reading(
        self, rows: list[tuple[str, ...] | None], size: int
    ) -> None:
        lines = [written([row]).partition(b"\n")[2] if row else b"\n" for row in rows]
        expected = [
            (number, row) for number, row in enumerate(rows, start=2) if row and any(map(has_value, row))
        ]
        assert read(b"a,b,c\n" + b"".join(lines), size=size) == expected
