"""Files that are packed, and files that are no table at all."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import polars as pl
import pytest

from iris_core.errors import DataRejected
from iris_core.tables import MemoryInput, Wanted, read
from iris_core.tables.cutting import cutting

pytestmark = pytest.mark.unit

TABLE = b"a,b\n" + b"".join(b"%d,2\n" % row for row in range(2000))
WANTED = Wanted(("a", "b"))


def count(data: bytes) -> int:
    return sum(map(len, read(MemoryInput(data, "t"), WANTED, block_bytes=4096).batches()))


def zipped(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, TABLE)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo("table.csv")
        info.size = len(TABLE)
        archive.addfile(info, io.BytesIO(TABLE))
    return out.getvalue()


def parquet() -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"a": [1.0], "b": [2.0]}).write_parquet(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "rest",
    [b"", b"\0" * 512, b"rubbish", b"\x1f", b"\0" + gzip.compress(TABLE)],
    ids=["none", "zeros", "rubbish", "half a magic", "zeros, then another"],
)
def test_gzip_as_gunzip_reads_it(rest: bytes) -> None:
    assert count(gzip.compress(TABLE) + rest) == 2000


def test_gzip_of_several_members() -> None:
    assert count(gzip.compress(TABLE[:1000]) + gzip.compress(b"") + gzip.compress(TABLE[1000:])) == 2000


def test_what_unpacks_to_more_than_it_may() -> None:
    row = b"a,b\n" + b"1,2\n" * (17 << 20)
    bomb = gzip.compress(row)
    assert len(row) > 1000 * (len(bomb) - 100_000)
    with pytest.raises(DataRejected) as caught:
        for _ in read(MemoryInput(bomb, "t", 200), WANTED).batches():
            pass
    assert str(caught.value).startswith(
        f"t: found {len(bomb):,} bytes that unpack to more than 64 MB, expected at most 200 times their size "
        "(MAX_UNPACK_RATIO). Send the rows that are meant"
    )
    rows = sum(map(len, read(MemoryInput(bomb, "t", 2000), WANTED).batches()))
    assert rows == 17 << 20


def test_what_is_small_may_unpack_to_any_multiple_of_it() -> None:
    packed = gzip.compress(b"a,b\n" + b"1,2\n" * 1_000_000)
    assert sum(map(len, read(MemoryInput(packed, "t", 1), WANTED).batches())) == 1_000_000


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (gzip.compress(TABLE)[:-9], "a damaged gzip file (it ends too early), expected a whole one. Write"),
        (gzip.compress(TABLE) + b"\x1f\x8b\x08", "a damaged gzip file (it ends too early)"),
        (gzip.compress(TABLE)[:20] + b"\0" * 50, "a damaged gzip file ("),
        (b"PARE" + bytes(40) + b"PARE", "an encrypted Parquet file, expected a CSV file"),
        (b'[{"a": 1, "b": 2}, {"a": 3, "b": 4}]', "JSON, expected a CSV file"),
        (b'{"a": 1}\n{"a": 2}\n', "JSON, expected a CSV file"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "XML, expected a CSV file"),
        (b"<!DOCTYPE html>\n<html><body>Not found</body></html>", "a web page, expected a CSV file"),
        (gzip.compress(gzip.compress(TABLE)), "a gzip file in a gzip file, expected a CSV file, plain or"),
        (gzip.compress(parquet()), "a Parquet file in a gzip file"),
        (gzip.compress(TABLE.decode().encode("utf-16")), "UTF-16, expected UTF-8"),
        (
            tarred(),
            "a tar archive in a gzip file, expected a CSV file, plain or compressed with gzip, or Parquet.",
        ),
        (
            b"\x28\xb5\x2f\xfd\x04\0",
            "a file compressed with zstd, expected a CSV file, plain or compressed with",
        ),
        (bz2.compress(TABLE), "a file compressed with bzip2"),
        (lzma.compress(TABLE), "a file compressed with xz"),
        (zipped("table.csv"), "an Excel workbook or a zip archive"),
        (zipped("xl/workbook.xml"), "an Excel workbook or a zip archive"),
        (gzip.compress(b""), "no bytes"),
    ],
    # gzip writes the time into its header: workers must collect the same names.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_named_for_what_it_is(data: bytes, told: str) -> None:
    with pytest.raises(DataRejected) as caught:
        count(data)
    assert str(caught.value).startswith(f"t: found {told}")


@pytest.mark.parametrize("first", ["PAR1", "PARE", "PARENT_ID", "PAR1 and " * 200])
def test_a_header_may_begin_as_other_formats_do(first: str) -> None:
    """Parquet has control characters among its first bytes."""
    data = f"{first},a,b\n1,2,3\n".encode()
    assert count(data) == 1
    assert cutting(MemoryInput(data, "t"), 1) is not None


def test_a_word_where_an_archive_has_its_mark_is_text() -> None:
    data = b"a,b,c\n1,2,".ljust(257, b"x") + b"ustard\n"
    assert count(data) == 1
