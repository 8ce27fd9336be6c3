"""What to upload, and how."""

from __future__ import annotations

from iris_core.overview.trace import Shown
from iris_core.settings.variables import Settings
from iris_core.store.uploads import Purpose, landing_key

_MEANING: dict[Purpose, str] = {
    "train": "labelled rows to train a model on",
    "test": "rows to be scored with the staged model",
    "labels": "true labels of rows that were scored, with the column {key}",
}


class UploadHint(Shown):
    """How to upload a table for one purpose: the address, and the commands that put it there.

    `mc` is for MinIO's client, with `minio` as the store's alias; `columns` are those that the table needs.
    """

    purpose: Purpose
    meaning: str
    address: str
    iris: str
    mc: str
    columns: tuple[str, ...]


def upload_hints(settings: Settings) -> list[UploadHint]:
    """How to upload training data, inference data and labels."""
    table = settings.project.table
    columns: dict[Purpose, tuple[str, ...]] = {
        "train": (*table.feature_names, table.target),
        "test": tuple(table.feature_names),
        "labels": (table.key, table.target),
    }
    hints: list[UploadHint] = []
    for purpose, meaning in _MEANING.items():
        file = f"{purpose}.csv"
        key = landing_key(settings, purpose, file)
        hints.append(
            UploadHint(
                purpose=purpose,
                meaning=meaning.format(key=table.key),
                address=f"s3://{settings.bucket}/{key}",
                iris=f"{settings.command} upload {file} --as {purpose}",
                mc=f"mc cp {file} minio/{settings.bucket}/{key}",
                columns=columns[purpose],
            )
        )
    return hints
