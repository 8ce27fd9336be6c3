"""Which objects below a prefix are data."""

from __future__ import annotations

import pytest

from iris_core.store.markers import is_marker

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "name",
    [
        "_SUCCESS",
        "_committed_17",
        "_started_17",
        "_temporary/0/x.csv",
        "2026/_temporary/0/task/x.csv",
        "_delta_log/0000.json",
        ".part-0.csv.crc",
        "part-0.csv.crc",
        ".DS_Store",
        "a/.hidden/x.csv",
        "run_$folder$",
        "x.csv._COPYING_",
        "x.csv.tmp",
        "folder/",
        "",
    ],
)
@pytest.mark.parametrize("size", [0, 17, None])
def test_no_data(name: str, size: int | None) -> None:
    assert is_marker(name, size)


@pytest.mark.parametrize(
    "name",
    [
        "part-0.csv",
        "dt=2024-01-01/part-0.CSV",
        "a_b.csv",
        "x.parquet",
        "data",
        "a.b/c",
        "tmp/x.csv",
        "../x.csv",
        "a/./x.csv",
    ],
)
@pytest.mark.parametrize("size", [17, None])
def test_data(name: str, size: int | None) -> None:
    assert not is_marker(name, size)


@pytest.mark.parametrize(
    ("name", "is_passed_over"), [("x.csv", False), ("x.csv.gz", False), ("x.parquet", False), ("done", True)]
)
def test_an_empty_table_is_refused_and_an_empty_marker_passed_over(name: str, is_passed_over: bool) -> None:
    assert is_marker(name, 0) is is_passed_over
