"""One side of a comparison: what is read of a table, whatever its format."""

from __future__ import annotations

import gzip
import io

import polars as pl
import pytest

from iris_core.drift.sides import Side, compare, read_side
from iris_core.errors import DataRejected
from iris_core.settings.features import Feature
from iris_core.settings.project import TableSchema
from iris_core.tables import MemoryInput
from tests import kinds

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


def test_categories_are_counted_by_level_and_compared() -> None:
    table = kinds.PROJECT.table
    learnt, batch = (
        read_side(MemoryInput(kinds.as_csv(kinds.homes(rows, seed, has_unseen)), "homes.csv"), table)
        for rows, seed, has_unseen in ((800, 1, False), (400, 2, True))
    )
    text = kinds.homes(400, 2, True)["city"]
    city = batch.statistics["city"]
    assert city.levels == {
        level: (text == cell).sum()
        for level, cell in (("Berlin", "Berlin"), ("Bonn", "Bonn"), ("Ulm", "Ulm"), ("(other)", "=Köln"))
    }
    assert city.missing == (text == "NA").sum()
    verdict, page = compare(learnt, batch, table)
    assert page.trouble == ""
    assert verdict.sentence.startswith("city has levels that the model does not know in ")
    assert {test.column: test.method for test in verdict.evidently if test.column in ("size", "pet")} == {
        "size": "ks",
        "pet": "jensenshannon",
    }


def test_a_category_without_a_level_that_is_declared_is_refused_with_a_cell_of_it() -> None:
    data = kinds.as_csv(kinds.homes(40, 1).with_columns(pet=pl.lit("cat")))
    with pytest.raises(DataRejected, match="column 'pet': found text \\('cat'\\)"):
        read_side(MemoryInput(data, "homes.csv"), kinds.PROJECT.table)
