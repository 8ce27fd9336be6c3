"""Features of every kind as numbers: the same from CSV by both ways, and from Parquet in any type."""

from __future__ import annotations

import io
import math
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from iris_core.settings.features import Feature
from iris_core.tables import MemoryInput, Wanted, read
from iris_core.tables.kinds import Kinds, expected, faults
from tests.kinds import PROJECT, as_csv, homes

pytestmark = pytest.mark.unit

NAN = math.nan
KIND = {
    "truth": Feature(name="a", type="boolean"),
    "truth or nothing": Feature(name="a", type="boolean", missing="impute"),
    "whole": Feature(name="a", type="integer", min=0, max=9),
    "number or nothing": Feature(name="a", min=0, max=9, missing="impute"),
    "level": Feature(name="a", type="category", levels=("x", "NA", "1", "ü ")),
    "any level": Feature(name="a", type="category", levels=("x", "y"), unseen="other"),
    "level or nothing": Feature(name="a", type="category", levels=("x",), missing="impute"),
}
CELLS: list[tuple[str, list[str], list[float | None]]] = [
    ("truth", ["yes", "NO", " True ", "f", "1", "0.0", "on", "2", "maybe", "", "NA"], [1, 0, 1, 0, 1, 0, 1]),
    ("truth or nothing", ["y", "", "null", "perhaps"], [1, NAN, NAN]),
    ("whole", ["3", "3.0", " 4 ", "3.5", "inf", "", "x"], [3, 3, 4, None, math.inf]),
    (
        "number or nothing",
        ["3.5", "", "NA", "nan", " ", "1,5", "inf"],
        [3.5, NAN, NAN, NAN, NAN, None, math.inf],
    ),
    ("level", ["x", " x", "NA", "1.0", "ü ", "X", "", "z"], [0, 0, 1, 2, 3]),
    ("any level", ["y", "z", "", "NA", "Y"], [1, 2, None, None, 2]),
    ("level or nothing", ["x", "", "none", "y"], [0, NAN, NAN, None]),
]


def same(found: list[float | None], wanted: list[float | None]) -> bool:
    """Equal, also where both are NaN; what is not wanted is null."""
    filled = [*wanted, *[None] * (len(found) - len(wanted))]
    return [repr(one) for one in found] == [repr(None if one is None else float(one)) for one in filled]


@pytest.mark.parametrize(("kind", "cells", "wanted"), CELLS, ids=lambda given: str(given)[:20])
def test_cells_of_text(kind: str, cells: list[str], wanted: list[float | None]) -> None:
    found = Kinds({"a": KIND[kind]}).read(pl.DataFrame({"a": cells}))
    assert same(found["a"].to_list(), wanted), found["a"].to_list()


@pytest.mark.parametrize(
    ("kind", "values", "wanted"),
    [
        ("truth", pa.array([True, None, False]), [1, None, 0]),
        ("truth", pa.array([1, 0, 2]), [1, 0, None]),
        ("truth or nothing", pa.array([True, None]), [1, NAN]),
        ("whole", pa.array([1.0, 1.5, None]), [1, None, None]),
        ("number or nothing", pa.array([1.5, None, float("nan")]), [1.5, NAN, NAN]),
        ("level", pa.array(["x", "1"]).dictionary_encode(), [0, 2]),
        ("level", pa.array([1, 2]), [2, None]),
    ],
)
def test_columns_of_parquet(kind: str, values: pa.Array, wanted: list[float | None]) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": values, "n": list(range(len(values)))}), out)
    asked = Wanted(("a",), kinds={"a": KIND[kind]})
    [batch] = read(MemoryInput(out.getvalue(), "t"), asked).batches()
    assert same(batch.features["a"].to_list(), wanted), batch.features["a"].to_list()


def frames(data: bytes, **how: Any) -> pl.DataFrame:
    table = PROJECT.table
    wanted = Wanted(table.feature_names, (table.target,), table.classes, kinds=table.kinds, **how)
    return pl.concat(batch.features for batch in read(MemoryInput(data, "t"), wanted).batches())


def test_both_ways_through_csv_and_parquet_read_the_same() -> None:
    frame = homes(400, seed=1, has_unseen=True)
    fast = frames(as_csv(frame))
    careful = frames(as_csv(frame) + b'"x","60","3","Ulm","yes","red","40","no","t",">50K"\n')
    out = io.BytesIO()
    frame.write_parquet(out)
    assert fast.null_count().row(0) == (0,) * 7
    assert fast.equals(careful.head(400))
    assert fast.equals(frames(out.getvalue()))
    assert sorted({repr(code) for code in fast["city"]}) == ["0.0", "1.0", "2.0", "3.0", "nan"]


@pytest.mark.parametrize("cell", ["", "nan", "-nan", "+NaN", " nan ", "-na", "1_5", "inf", "-inf"])
def test_a_number_that_may_miss_is_the_same_beside_a_quote(cell: str) -> None:
    wanted = Wanted(("a", "b"), kinds={"a": KIND["number or nothing"]})
    plain = f"a,b,c\n1,2,x\n{cell},2,x\n".encode()
    fast, careful = (
        next(read(MemoryInput(data, "t"), wanted).batches()).features["a"].to_list()
        for data in (plain, plain + b'1,2,"x"\n')
    )
    assert same(careful, [*fast, 1.0]), (fast, careful)


def test_a_table_without_rows_has_numbers_too() -> None:
    out = io.BytesIO()
    homes(0, seed=1).write_parquet(out)
    for data in (as_csv(homes(0, seed=1)), as_csv(homes(0, seed=1)) + b" ,,,,,,,,,\n", out.getvalue()):
        found = frames(data)
        assert found.height == 0
        assert found.dtypes == [pl.Float64] * 7


def test_a_blank_row_is_no_row_and_a_row_of_missing_values_is_one() -> None:
    kinds = {"a": KIND["number or nothing"], "b": KIND["level or nothing"].model_copy(update={"name": "b"})}
    wanted = Wanted(("a", "b"), kinds=kinds)
    [batch] = read(MemoryInput(b"a,b,c\n1,x,k\n,,\n,,k\n", "t"), wanted).batches()
    assert batch.numbers.tolist() == [2, 4]
    assert batch.is_plain
    assert same(batch.features["a"].to_list(), [1, NAN])


@pytest.mark.parametrize(
    ("kind", "cell", "check", "told"),
    [
        ("truth", "maybe", "unknown_level", "true or false (yes or no, 1 or 0)"),
        ("whole", "1.5", "not_a_number", "a whole number"),
        ("level", "z", "unknown_level", "'x', 'NA', '1' or 'ü '"),
        ("any level", "", "missing", "'x' or 'y'"),
        ("level or nothing", "y", "unknown_level", "'x'"),
    ],
)
def test_what_is_wrong_with_a_cell(kind: str, cell: str, check: str, told: str) -> None:
    cells, feature = pl.Series("a", [cell]), KIND[kind]
    values = Kinds({"a": feature}).read(cells.to_frame())["a"]
    assert [name for name, mask in faults(cells, values, feature) if mask.any()] == [check]
    assert expected(feature) == told


def test_many_levels_are_not_all_listed() -> None:
    many = Feature(name="a", type="category", levels=tuple(f"l{number}" for number in range(40)))
    assert expected(many) == "one of 40 levels ('l0', 'l1', 'l2', 'l3', 'l4', …)"
