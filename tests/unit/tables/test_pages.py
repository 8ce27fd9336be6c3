"""What Arrow would unpack at once of a Parquet file is known before it does."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from iris_core.errors import DataRejected
from iris_core.tables import MemoryInput, Wanted, read
from iris_core.tables.pages import largest_page

pytestmark = pytest.mark.unit

MB = 1 << 20
NUMBERS = list(range(5_000))


def stored(columns: dict[str, Any], **how: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, compression="zstd", **how)
    return out.getvalue()


def refusal(data: bytes, wanted: Wanted) -> str:
    with pytest.raises(DataRejected) as caught:
        list(read(MemoryInput(data, "t", 1_000_000), wanted).batches())
    return str(caught.value)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("has_dictionary", [True, False])
def test_the_size_of_pages(version: str, has_dictionary: bool) -> None:
    """Plain numbers of eight bytes: a page holds about as many as its writer was told to put into it."""
    data = stored(
        {"a": [n / 7 for n in NUMBERS]},
        use_dictionary=has_dictionary,
        data_page_version=version,
        data_page_size=8_000,
        write_batch_size=100,
    )
    chunk = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    size = largest_page(io.BytesIO(data), start, start + chunk.total_compressed_size)
    if has_dictionary:
        assert 8 * len(NUMBERS) <= size <= 8 * len(NUMBERS) + 16_000
    else:
        assert 8_000 <= size <= 9_000


def test_a_header_that_is_longer_than_what_is_read_at_first() -> None:
    """It holds the least and the greatest value of its page."""
    long = [chr(65 + n % 26) * 40_000 for n in range(30)]
    data = stored({"a": long}, use_dictionary=False, write_statistics=True)
    batches = read(MemoryInput(data, "t"), Wanted(text=("a",))).batches()
    assert [text for batch in batches for text in batch.text["a"]] == long


@pytest.mark.parametrize("has_dictionary", [True, False])
def test_pages_that_are_too_large(has_dictionary: bool) -> None:
    """A hundred values of a megabyte are one page, of a few kilobytes."""
    long = [chr(65 + n % 26) * MB + str(n) for n in range(100)]
    data = stored(
        {"a": [1.0] * 100, "note": pa.array(long, pa.large_string())},
        use_dictionary=has_dictionary,
        dictionary_pagesize_limit=1 << 30,
    )
    assert len(data) < MB
    sentence = refusal(data, Wanted(("a",), has_rest=True))
    assert sentence.startswith("t: found pages that unpack to 1")
    assert "of them of 'note', expected at most about 28 MB: shorter values, or smaller pages." in sentence
    assert sum(map(len, read(MemoryInput(data, "t"), Wanted(("a",))).batches())) == 100, "it is not read"


def test_long_values_of_a_category() -> None:
    """Arrow takes nine times the bytes of such a column's dictionary."""
    values = pa.array([f"{n}{'k' * 100_000}" for n in range(150)])
    data = stored({"a": [1.0] * 150, "note": pa.DictionaryArray.from_arrays(list(range(150)), values)})
    sentence = refusal(data, Wanted(("a",), has_rest=True))
    assert "14 of them of 'note', expected at most about 5 MB of a column of categories" in sentence
    assert sum(map(len, read(MemoryInput(data, "t"), Wanted(("a",))).batches())) == 150, "it is not read"


def test_many_columns_with_pages_of_the_usual_size_are_read() -> None:
    names = [f"c{place}" for place in range(60)]
    column = pa.array(np.random.default_rng(1).normal(size=130_000))
    data = stored(dict.fromkeys(names, column), use_dictionary=False)
    assert len(data) > 40 * MB
    assert sum(map(len, read(MemoryInput(data, "t"), Wanted(tuple(names[:50]))).batches())) == 130_000


def test_a_footer_that_is_too_large() -> None:
    table = pa.table({"a": [1.0]}).replace_schema_metadata({"note": "x" * (17 * MB)})
    out = io.BytesIO()
    pq.write_table(table, out)
    sentence = refusal(out.getvalue(), Wanted(("a",)))
    assert sentence.startswith("t: found a footer of ")
    assert "expected at most 16 MB" in sentence


@pytest.mark.parametrize("wrong", [b"\x00" * 16, b"\xff" * 16, b"\x15\x04\x15" + b"\xff" * 13, b"\x3c" * 16])
def test_what_is_no_page_is_damage(wrong: bytes) -> None:
    data = bytearray(stored({"a": [n / 7 for n in NUMBERS]}, use_dictionary=False))
    data[4:20] = wrong
    assert "a damaged Parquet file (" in refusal(bytes(data), Wanted(("a",)))


def test_a_footer_that_lies_about_its_size() -> None:
    data = stored({"a": [1.0]})
    assert "a damaged Parquet file (" in refusal(
        data[:-8] + struct.pack("<I", 1 << 31) + b"PAR1", Wanted(("a",))
    )
