"""One side of a comparison: what is read of a table, whatever its format."""

from __future__ import annotations

import gzip
import io

import polars as pl
import pytest

from iris_core.drift.sides import Side, read_side
from iris_core.errors import DataRejected
from iris_core.settings.features import Feature
from iris_core.settings.project import TableSchema
from iris_core.tables import MemoryInput

pytestmark = pytest.mark.unit

TABLE = TableSchema(
    features=(Feature(name="a", min=0, max=10), Feature(name="b", min=0, max=10)),
    target="kind",
    classes=("True", "False"),
)
CSV = "a,b,kind,prediction\n1,2,TRUE,True\n,2,,False\n,,,\n3,NA,Iris,false\n4,inf,NA,other\n"


def side(data: bytes) -> Side:
    return read_side(MemoryInput(data, "t"), TABLE)


def parquet() -> bytes:
    out = io.BytesIO()
    columns = {
        "a": [1.0, None, None, 3.0, 4.0],
        "b": [2.0, 2.0, None, None, float("inf")],
        "kind": ["TRUE", None, None, "Iris", None],
        "prediction": ["True", "False", None, "false", "other"],
    }
    pl.DataFrame(columns).write_parquet(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "data", [CSV.encode(), gzip.compress(CSV.encode()), parquet()], ids=["csv", "gzip", "parquet"]
)
def test_the_same_of_every_format(data: bytes) -> None:
    found = side(data)
    counts = {name: (one.count, one.missing, one.infinite) for name, one in found.statistics.items()}
    assert counts == {"a": (3, 1, 0), "b": (2, 1, 1)}
    assert found.sample["kind"].to_list() == ["True", None, None, None]
    assert found.sample["prediction"].to_list() == ["True", "False", "False", "(another class)"]


def test_a_feature_of_text_is_refused_with_a_cell_of_it() -> None:
    with pytest.raises(DataRejected, match=r"column 'b': found text \('x'\) and no number, expected numbers"):
        side(b"a,b\n1,x\n2,NA\n")
    assert side(b"a,b\n1,x\n2,3\n").statistics["b"].missing == 1


def test_a_table_without_rows_has_its_columns() -> None:
    assert side(b"a,b,kind\n").sample.columns == ["a", "b", "kind"]


def test_a_missing_column() -> None:
    with pytest.raises(DataRejected, match="column 'b': found no such column among 'a', 'kind'"):
        side(b"a,kind\n1,True\n")
