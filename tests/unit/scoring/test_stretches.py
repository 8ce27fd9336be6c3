"""Shards that are cut by size alone give what one process gives: rows, faults, counts, and sentences."""

from __future__ import annotations

import gzip
import io
import random
from functools import partial

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iris_core.errors import DataRejected
from iris_core.models.decide import Decider
from iris_core.scoring import engine
from iris_core.scoring.counts import Counts
from iris_core.scoring.engine import first_fault
from iris_core.scoring.output import Options, Scoring
from iris_core.tables import read
from iris_core.tables.blocks import BLOCK_BYTES
from iris_core.tables.cutting import cutting
from iris_core.tables.records import LONGEST_ROW_BYTES
from tests.unit.scoring.conftest import TABLE, Bytes, Pass, cuts, fitted, run

pytestmark = [pytest.mark.unit, pytest.mark.slow]

DECIDER = Decider(fitted(), TABLE.feature_names)
HEAD = b"sepal_length,sepal_width,petal_length,petal_width,note\n"
GOOD = [b"1,2,3,4,a\n", b'5,6,7,8,"b"\n', b"1,2,3,4,a\r\n", b'1,2,3,4,"c\nd"\n', b'2,2,2,2,"e ""f"" g"\n']
BAD = [b"\n", b",,,,\n", b"x,2,3,4,a\n", b"1,2,3\n", b"1,inf,,4,a\n", b'1,2,3,4,"\n\n"\n', b"1,2,3,4,5,6\n"]
WORSE = [
    b'"',
    b"\n",
    b"\r",
    b"\0",
    b"\xe9",
    b"\x1a",
    b'1,2,3,4,a"b\n',
    b'1,2,3,4," x" \n',
    b"\xef\xbb\xbf",
    b",",
]
HEADS = [
    HEAD,
    b"\xef\xbb\xbf" + HEAD,
    b"\n , \n" + HEAD.replace(b"note", b'"no\nte"'),
    HEAD.replace(b"\n", b"\r\n"),
    HEAD[:-1] + b",\n",
]

tables = st.builds(
    lambda head, rows, end: head + b"".join(rows) + end,
    st.sampled_from(HEADS),
    st.one_of(
        st.lists(st.sampled_from(GOOD), max_size=40),
        st.lists(st.sampled_from(GOOD + BAD), max_size=40),
        st.lists(st.sampled_from(GOOD * 3 + BAD + WORSE), max_size=40),
    ),
    st.sampled_from([b"", b"1,2,3,4,x", b"\x1a", b'1,2,3,4,"']),
)


def outcome(data: bytes) -> Pass | str:
    """What one process makes of a table, or the sentence with which it refuses it."""
    try:
        return run(data, DECIDER)
    except DataRejected as error:
        return str(error)


def sharded(data: bytes, least: int, unit: int) -> Pass | set[str]:
    """The joined parts of a table, or the sentences with which shards refuse it."""
    how, done, told = Scoring(DECIDER, TABLE, Options("3")), [], set()
    for part in cuts(data, least, unit):
        try:
            done.append(run(data, DECIDER, part))
        except DataRejected as error:
            told.add(str(first_fault(Bytes(data), how, part) or error))
    rejects = b"".join(part.rejects.removeprefix(engine.HEADER) for part in done)
    out = b"".join(part.out for part in done)
    counts = sum((part.counts for part in done), Counts())
    return told or Pass(out, engine.HEADER + rejects if rejects else b"", counts)


def agree(data: bytes, least: int, unit: int) -> bool:
    """Check that both ways agree; whether the table was cut."""
    found = cuts(data, least, unit)
    if len(found) > 1:
        whole, parts = outcome(data), sharded(data, least, unit)
        assert parts == ({whole} if isinstance(whole, str) else whole)
        ends = [(part.start, part.end) for part in found]
        assert ends[0][0] == found[0].head
        assert ends[-1][1] == len(data)
        assert [end for _, end in ends[:-1]] == [start for start, _ in ends[1:]]
    return len(found) > 1


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables, st.integers(1, 120), st.integers(1, 60))
def test_any_table_cut_anywhere(data: bytes, least: int, unit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "read", partial(read, block_bytes=unit))
        agree(data, least, unit)


ROW = b"5.1,3.5,1.4,0.2,note\n"
FILL = ROW * (BLOCK_BYTES // len(ROW))
CELL = b'\n1,2,3,4,"' + b"\n" * 900_000 + b'"\n'
LONG = b"x" * (LONGEST_ROW_BYTES + 10)
LARGE = {
    "plain": FILL * 3,
    "quoted": FILL.replace(b"note", b'"n\nte"') * 3,
    "a long cell at each border": (FILL[: BLOCK_BYTES - 700_000] + b'1,2,3,4,"' + b"\n" * 900_000 + b'"\n')
    * 3,
    "a row longer than rows may be": FILL + b"1,2,3,4," + LONG + b"\n" + FILL * 2,
    "a quoted cell larger than a shard": FILL + b'1,2,3,4,"' + b"\n" * (3 * BLOCK_BYTES) + b'"\n' + FILL,
    "a lone quote early": FILL[:500_000] + b'1,2,3,4,"\n' + FILL * 3,
    "a lone quote late": FILL * 3 + b'1,2,3,4,"\n' + ROW,
    "two lone quotes": FILL + b'1,2,3,4,"a\n' + FILL * 2 + b'1,2,3,4,"a\n' + FILL,
    "a stray quote, then NUL": FILL + b'1,2,3,4,a"b"\n' + FILL + b"1,2,3,4,\0\n" + FILL,
    "NUL, then a stray quote in the same block": FILL
    + ROW * 9
    + b'1,2,3,4,a"b"\n'
    + ROW * 9
    + b"\0\n"
    + FILL,
    "Latin-1 from a late row on": FILL * 2 + b"1,2,3,4,\xe9\n" * 9 + FILL,
    "no row ends": FILL + b"x" * (2 * BLOCK_BYTES),
    "blank lines": b"\n" * BLOCK_BYTES + FILL + b"\n,,,,\n" * 400_000 + b"x,2,3,4,5\n" + ROW,
    "no newline at the end": FILL * 2 + b"1,2,3,4,5",
    "the character that ends files of DOS": FILL * 2 + ROW + b"\x1a\x1a",
    "carriage returns": FILL.replace(b"\n", b"\r\n") * 2,
    "rejected rows": (FILL + b"x,2,3,4,5\n1,2\n") * 3,
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_table_in_whole_blocks(name: str) -> None:
    assert agree(HEAD + LARGE[name], BLOCK_BYTES, BLOCK_BYTES)


def test_what_cannot_be_cut_is_not() -> None:
    parquet = io.BytesIO()
    pl.DataFrame({"a": random.Random(1).choices(range(9), k=999)}).write_parquet(parquet)
    uncut = [
        gzip.compress(HEAD + ROW * 99),
        parquet.getvalue(),
        (HEAD + ROW).decode().encode("utf-16"),
        (HEAD + ROW * 99).replace(b"\n", b"\r"),
        b"\n" * (BLOCK_BYTES + 1) + HEAD + ROW,
        b'a,"b\n' + ROW * 99,
        HEAD,
        HEAD[:-1],
        b"",
    ]
    assert [cutting(Bytes(data), 1, 8) for data in uncut] == [None] * len(uncut)


class Endless(Bytes):
    """A CSV of any size without its bytes; what is read of it is counted."""

    bytes_read = 0
    bytes_in_all = 0

    @property
    def size(self) -> int:
        return self.bytes_in_all

    def read(self, start: int, end: int) -> bytes:
        type(self).bytes_read += end - start
        return super().read(start, end)


def test_planning_reads_as_much_of_ten_gigabytes_as_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    read_of = {}
    for size in (10**9, 10**10):
        monkeypatch.setattr(Endless, "bytes_in_all", size)
        monkeypatch.setattr(Endless, "bytes_read", 0)
        found = cutting(Endless(HEAD + FILL), 256 << 20)
        assert found is not None
        assert found.count == -(-size // (256 << 20))
        read_of[size] = Endless.bytes_read
    assert read_of[10**9] == read_of[10**10] == BLOCK_BYTES
