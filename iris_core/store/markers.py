"""Objects that are no data: what Spark, Hadoop, tools and consoles leave beside it.

After Hadoop's rule that names beginning with `_` or `.` are hidden (`FileInputFormat`), and the names that
its committers and S3 clients use.
"""

from __future__ import annotations

_HIDDEN = ("_", ".")
_ENDINGS = (".crc", "_$folder$", "._copying_", ".tmp", ".inprogress", ".crdownload", ".part", "~")
_DATA = (".csv", ".csv.gz", ".gz", ".gzip", ".parquet", ".pq", ".parq", ".tsv", ".txt")


def is_marker(below: str, size: int | None = None) -> bool:
    """Whether a name below a watched prefix is that of a marker, of a hidden or of an unfinished file.

    The segments `.` and `..` hide nothing: such a key is refused with a sentence. A name without a table's
    ending that holds nothing is a marker, too; an empty table is not: it is refused.

    :param below: the key without the prefix.
    :param size: bytes; None where it is not known.
    """
    name = below.lower()
    segments = name.split("/")
    hidden = (segment.startswith(_HIDDEN) for segment in segments if segment not in (".", ".."))
    if not segments[-1] or any(hidden):
        return True
    return name.endswith(_ENDINGS) or (size == 0 and not name.endswith(_DATA))
