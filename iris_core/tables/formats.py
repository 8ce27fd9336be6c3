"""Recognizes a file's format by its first bytes, and unpacks gzip files."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from iris_core.errors import DataRejected
from iris_core.tables.findings import Check, Finding, rejection
from iris_core.tables.inputs import Input

GZIP = b"\x1f\x8b"
PARQUET, ENCRYPTED = b"PAR1", b"PARE"
FIRST_BYTES = 512
"""Bytes that are enough to recognize a format."""
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r")
UTF8_BOM = b"\xef\xbb\xbf"
PACKED_BYTES = 256 << 10
FREE_BYTES = 64 << 20
"""Content of up to so many bytes is always read, however small it is packed."""

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_FORMATS: tuple[tuple[int, bytes, Check, str], ...] = (
    (0, b"PK\x03\x04", "format", "an Excel workbook or a zip archive"),
    (0, b"PK\x05\x06", "format", "an empty zip archive"),
    (0, b"\xd0\xcf\x11\xe0", "format", "an Excel workbook (.xls)"),
    (0, PARQUET, "format", "a Parquet file"),
    (0, ENCRYPTED, "format", "an encrypted Parquet file"),
    (0, b"ARROW1\0\0", "format", "an Arrow file"),
    (0, b'{"', "format", "JSON"),
    (0, b'[{"', "format", "JSON"),
    (0, b"<?xml", "format", "XML"),
    (0, b"<!DOCTYPE", "format", "a web page"),
    (0, b"<!doctype", "format", "a web page"),
    (0, b"<html>", "format", "a web page"),
    (0, b"%PDF-", "format", "a PDF document"),
    (0, b"\x89PNG", "format", "a picture"),
    (0, GZIP, "compressed", "a gzip file"),
    (0, b"\x28\xb5\x2f\xfd", "compressed", "a file compressed with zstd"),
    (4, b"1AY&SY", "compressed", "a file compressed with bzip2"),
    (0, b"\xfd7zXZ\0", "compressed", "a file compressed with xz"),
    (0, b"\x04\x22\x4d\x18", "compressed", "a file compressed with lz4"),
    (0, b"7z\xbc\xaf\x27\x1c", "compressed", "a 7z archive"),
    (257, b"ustar\0", "compressed", "a tar archive"),
    (257, b"ustar  \0", "compressed", "a tar archive"),
)
"""A place, the bytes there, the check that they fail, and the format that they show."""


def is_parquet(first: bytes) -> bool:
    """Whether a file is Parquet, by its `FIRST_BYTES`."""
    return first.startswith(PARQUET) and not _begins_with_text(first[:FIRST_BYTES])


def _begins_with_text(first: bytes) -> bool:
    """Whether there is a line of text, such as a header whose first column is called PAR1."""
    return not _CONTROL.intersection(first) and (b"\n" in first or len(first) == FIRST_BYTES)


def check_format(first: bytes, where: str, is_unpacked: bool = False) -> None:
    """Refuse bytes that cannot begin a CSV: UTF-16, and formats that are not text.

    :param first: the first bytes of the file.
    :param where: the file, for the message.
    :param is_unpacked: whether the bytes come from a gzip file.
    :raises DataRejected: the message names the format.
    """
    if first.startswith(_UTF16):
        raise rejection(where, [Finding(check="encoding", count=1, found="UTF-16", expected="UTF-8")])
    is_text = _begins_with_text(first[:FIRST_BYTES])
    for place, magic, check, name in _FORMATS:
        if first[place : place + len(magic)] == magic and not (is_text and magic in (PARQUET, ENCRYPTED)):
            raise _refused(where, check, f"{name} in a gzip file" if is_unpacked else name)


class Unpacked:
    """Counts the bytes that a table unpacks to, and refuses the table beyond its input's limit."""

    def __init__(self, given: Input) -> None:
        self._given, self._bytes = given, 0
        ratio = given.unpack_ratio
        self._most = None if ratio is None else max(FREE_BYTES, ratio * given.size)

    def add(self, size: int) -> None:
        """Count `size` more bytes.

        :raises DataRejected: the input unpacks to more bytes than it may.
        """
        self._bytes += size
        if self._most is not None and self._bytes > self._most:
            found = f"{self._given.size:,} bytes that unpack to more than {self._most >> 20:,} MB"
            expected = f"at most {self._given.unpack_ratio} times their size (MAX_UNPACK_RATIO)"
            raise rejection(
                self._given.where, [Finding(check="unpacks", count=1, found=found, expected=expected)]
            )


def unzipped(pieces: Iterable[bytes], given: Input, size: int) -> Iterator[bytes]:
    """Unpack a gzip file into pieces of at most `size` bytes.

    Works like gunzip: a file may have several members, and bytes after the last one (padding) are ignored.

    :param pieces: the bytes of `given`, in pieces of any size.
    :param given: the file, for messages and its limit.
    :param size: most bytes of a piece of the content.
    :raises DataRejected: the file is damaged or cut off, or unpacks to more than `given` may.
    """
    where, unpacked = given.where, Unpacked(given)
    member, data = zlib.decompressobj(wbits=31), b""
    for piece in _small(pieces):
        data += piece
        while data:
            if member.eof:
                if len(data) < len(GZIP):
                    break
                if not data.startswith(GZIP):
                    return
                member = zlib.decompressobj(wbits=31)
            try:
                content = member.decompress(data, size)
            except zlib.error as error:
                raise _refused(where, "damaged", f"a damaged gzip file ({error})") from error
            unpacked.add(len(content))
            yield content
            data = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise _refused(where, "damaged", "a damaged gzip file (it ends too early)")


def _small(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut pieces smaller: the rest of a piece is copied each time a part of it has been unpacked."""
    for piece in pieces:
        for start in range(0, len(piece), PACKED_BYTES):
            yield piece[start : start + PACKED_BYTES]


def _refused(where: str, check: Check, found: str) -> DataRejected:
    expected = (
        "a whole one" if check == "damaged" else "a CSV file, plain or compressed with gzip, or Parquet"
    )
    return rejection(where, [Finding(check=check, count=1, found=found, expected=expected)])
