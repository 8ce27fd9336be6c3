"""Compares two tables in a bucket by Evidently, and stores its page beside simple statistics."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from iris_provider_minio.errors import ProviderError, StoreUnusable
from iris_provider_minio.hooks.minio import CONN_ID, MinioHook
from iris_provider_minio.versions import Address, address_in

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import Context
    from minio import Minio

STATISTICS = ("mean", "std", "min", "max")


class TableUnusable(ProviderError):
    """An object is missing, or is no table that can be compared. Retrying does not help."""


class EvidentlyDriftReportOperator(BaseOperator):
    """Runs Evidently's preset for data drift on two tables, and stores `report.html` and `report.json`.

    The tables are CSV, or Parquet where the key ends with `.parquet`; both are read whole. A retry writes the
    same keys again. Needs `evidently` and, for Parquet, `pyarrow` (the wheel's extra `evidently`).

    Returns `drifted` (names of columns), `columns` (how many were compared), `share` of them that drifted,
    `is_drift` (a share of at least `drift_share`), `statistics` (mean, std, min and max of each column of
    numbers, in `current` and in `reference`), `html` and `json` (addresses). The outlets' events have the
    same as their extra.

    :param current: the new table, `s3://bucket/key`, perhaps with `?versionId=…`.
    :param reference: the table that it is compared with.
    :param report: where the report is stored, `s3://bucket/prefix`.
    :param columns: to compare; default: those that both tables have.
    :param drift_share: the share of columns from which on the table has drifted.
    :param conn_id: the Airflow connection of the store, of type `minio` or `aws`.
    """

    template_fields: Sequence[str] = ("current", "reference", "report", "columns")

    def __init__(
        self,
        *,
        current: str,
        reference: str,
        report: str,
        columns: Sequence[str] | None = None,
        drift_share: float = 0.5,
        conn_id: str = CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.current = current
        self.reference = reference
        self.report = report
        self.columns = columns
        self.drift_share = drift_share
        self.conn_id = conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare, store, and say what was found."""
        store = MinioHook(conn_id=self.conn_id).get_conn()
        tables = {name: _table(store, getattr(self, name)) for name in ("current", "reference")}
        columns = self._common(tables)
        found = _compared(tables["current"][columns], tables["reference"][columns], self.drift_share)
        found["statistics"] = {name: _statistics(table[columns]) for name, table in tables.items()}
        for name, kind in (("html", "text/html"), ("json", "application/json")):
            uri = f"{self.report.rstrip('/')}/report.{name}"
            found[name] = _put(store, uri, found[name].encode(), kind)
        self.log.info(
            "%d of %d columns drifted: %s", len(found["drifted"]), found["columns"], found["drifted"]
        )
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = found
        return found

    def _common(self, tables: dict[str, pd.DataFrame]) -> list[str]:
        known = [str(name) for name in tables["reference"] if name in tables["current"]]
        wanted = list(self.columns) if self.columns is not None else known
        if missing := [name for name in wanted if name not in known]:
            raise TableUnusable(
                f"Columns {missing} are not in both {self.current} and {self.reference}. Both have: {known}"
            )
        if not wanted:
            raise TableUnusable(f"{self.current} and {self.reference} have no column in common.")
        if empty := [name for name, table in tables.items() if table.empty]:
            raise TableUnusable(f"{getattr(self, empty[0])} has no rows.")
        return wanted


def _compared(current: pd.DataFrame, reference: pd.DataFrame, drift_share: float) -> dict[str, Any]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import Report
        from evidently.presets import DataDriftPreset

        done = Report([DataDriftPreset(drift_share=drift_share)]).run(current, reference)
        raw, html = done.json(), done.get_html_str(as_iframe=False)
    drifted, columns = [], 0
    for metric in json.loads(raw)["metrics"]:
        config = metric["config"]
        if config["type"].endswith(":ValueDrift"):
            columns += 1
            is_p = config["method"].endswith("p_value")
            value, threshold = metric["value"], config["threshold"]
            if value < threshold if is_p else value >= threshold:
                drifted.append(config["column"])
    share = len(drifted) / columns if columns else 0.0
    is_drift = share >= drift_share
    found = {"drifted": drifted, "columns": columns, "share": share, "is_drift": is_drift}
    return {**found, "html": html, "json": raw}


def _statistics(table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Mean, standard deviation, minimum and maximum of each column of numbers; None where there is none."""
    numbers = table.select_dtypes("number")
    if numbers.empty:
        return {}
    found = numbers.agg(list(STATISTICS)).to_dict()
    return {
        str(column): {name: None if value != value else float(value) for name, value in values.items()}
        for column, values in found.items()
    }


def _address(uri: str) -> Address:
    """The parts of an address."""
    found = address_in(uri)
    if found is None:
        raise TableUnusable(f"{uri!r} is no address of the form s3://bucket/key.")
    return found


def _table(store: Minio, uri: str) -> pd.DataFrame:
    """The table that an object holds.

    :raises TableUnusable: there is no such object, or it is no table.
    """
    import pandas as pd

    content = _got(store, uri)
    read = pd.read_parquet if _address(uri).key.endswith(".parquet") else pd.read_csv
    try:
        return read(io.BytesIO(content))
    except (ValueError, OSError) as error:
        raise TableUnusable(f"{uri} cannot be read as a table: {error}") from error


def _got(store: Minio, uri: str) -> bytes:
    from minio.error import MinioException, S3Error
    from urllib3.exceptions import HTTPError

    bucket, key, version_id = _address(uri)
    try:
        answer = store.get_object(bucket, key, version_id=version_id)
        try:
            return bytes(answer.data)
        finally:
            answer.close()
            answer.release_conn()
    except S3Error as error:
        lasting = error.code in ("NoSuchKey", "NoSuchBucket", "NoSuchVersion", "MethodNotAllowed")
        raise (TableUnusable if lasting else StoreUnusable)(
            f"{uri}: {error.code}, {error.message}"
        ) from error
    except (MinioException, HTTPError, OSError) as error:
        raise StoreUnusable(f"{uri}: {error}") from error


def _put(store: Minio, uri: str, content: bytes, kind: str) -> str:
    from minio.error import MinioException
    from urllib3.exceptions import HTTPError

    bucket, key, _ = _address(uri)
    try:
        store.put_object(bucket, key, io.BytesIO(content), len(content), content_type=kind)
    except (MinioException, HTTPError, OSError) as error:
        raise StoreUnusable(f"{uri} cannot be written: {error}") from error
    return uri
