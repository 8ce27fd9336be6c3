"""Recognizes objects that are no data, which Spark, Hadoop, tools and consoles leave beside data.

The rule follows Hadoop, where names that begin with `_` or `.` are hidden (`FileInputFormat`), and the names
that Hadoop's committers and S3 clients use.
"""

from __future__ import annotations

_HIDDEN = ("_", ".")
_ENDINGS = ("/", ".crc", "_$folder$", "._copying_", ".tmp", ".inprogress", ".crdownload", ".part", "~")
_DATA = (".csv", ".csv.gz", ".gz", ".gzip", ".parquet", ".pq", ".parq", ".tsv", ".txt")


def is_marker(below: str, size: int | None = None) -> bool:
    """Whether an object below a watched prefix is a marker, a hidden or an unfinished file.

    The segments `.` and `..` do not hide a key: it is refused with a message. An empty object without a
    table's ending is a marker, too; an empty table is none: it is refused.

    :param below: the key without the prefix.
    :param size: the object's bytes; None if unknown.
    """
    name = below.lower()
    if not name or _is_hidden(name):
        return True
    return not name.endswith(_DATA) and (size == 0 or name.endswith(_ENDINGS))


def _is_hidden(name: str) -> bool:
    path = f"/{name}"
    if "/_" not in path and "/." not in path:
        return False  # nearly all names, of which there may be a million
    segments = (segment for segment in name.split("/") if segment not in (".", ".."))
    return any(segment.startswith(_HIDDEN) for segment in segments)
