"""Tables in packings: damaged, padded, nested, of kinds that are not read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
import zlib

import pyarrow as pa

from benchmarks.poison.grid import Grid


def other_packing(chance: random.Random, grid: Grid) -> bytes:
    """zstd, bzip2, xz, lz4, brotli, snappy, bare deflate, zip, tar."""
    data = grid.bytes()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(zipfile.ZipInfo("table.csv"), data)
    tape = io.BytesIO()
    with tarfile.open(fileobj=tape, mode="w") as tar:
        entry = tarfile.TarInfo("table.csv")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    codecs: list[bytes] = [
        pa.compress(data, codec=name, asbytes=True) for name in ("zstd", "lz4", "brotli", "snappy")
    ]
    return chance.choice(
        (
            *codecs,
            bz2.compress(data),
            lzma.compress(data),
            zlib.compress(data),
            archive.getvalue(),
            tape.getvalue(),
        )
    )


def packed_twice(chance: random.Random, grid: Grid) -> bytes:
    """A packing in gzip."""
    inner = other_packing(chance, grid) if chance.random() < 0.7 else gzip.compress(grid.bytes(), mtime=0)
    return gzip.compress(inner, mtime=0)


def with_a_tail(chance: random.Random, grid: Grid) -> bytes:
    """gzip followed by zeros, noise, another file, half a member."""
    tail = chance.choice(
        (
            b"\0" * 4096,
            chance.randbytes(300),
            b"\x1f",
            b"\x1f\x8b",
            b"\x1f\x8b\x08\0",
            b"a,b\n1,2\n",
            gzip.compress(b"more,rows\n", mtime=0)[:-5],
        )
    )
    return gzip.compress(grid.bytes(), mtime=0) + tail


def cut_off(chance: random.Random, grid: Grid) -> bytes:
    """A gzip that broke off."""
    data = gzip.compress(grid.bytes(), mtime=0)
    return data[: chance.randrange(2, len(data))]


def shaken(chance: random.Random, grid: Grid) -> bytes:
    """A gzip with other bytes here and there."""
    data = bytearray(gzip.compress(grid.bytes(), mtime=0))
    for _ in range(chance.randint(1, 10)):
        data[chance.randrange(2, len(data))] = chance.randrange(256)
    return bytes(data)


def bomb(chance: random.Random, grid: Grid) -> bytes:
    """A few kilobytes that unpack to hundreds of megabytes: blank lines, zeros, commas, rows, a quote."""
    filling = chance.choice(
        (b"\n", b"\0", b",", b" ", b'"', b'""\n', b",,,,,\n", grid.bytes().split(b"\n", 1)[1])
    )
    return _packed(grid.bytes() + chance.choice((b"", b'"')), filling, chance.choice((50, 200, 1000)) << 20)


def bomb_above(chance: random.Random, _: Grid) -> bytes:
    """The same above the header."""
    return _packed(b"", chance.choice((b"\n", b" ", b",\n", b"# no\n")), chance.choice((50, 300)) << 20)


def _pieces(filling: bytes, size: int) -> bytes:
    return filling * max(1, (1 << 20) // len(filling)) if size else b""


def _packed(first: bytes, filling: bytes, size: int) -> bytes:
    """gzip of some bytes, then of about `size` bytes of the same again and again."""
    packer = zlib.compressobj(9, wbits=31)
    out = [packer.compress(first)]
    piece = _pieces(filling, size)
    out += [packer.compress(piece) for _ in range(size // max(1, len(piece)))]
    return b"".join([*out, packer.flush()])
