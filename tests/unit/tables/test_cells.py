"""What a cell means: a number, a class, or nothing; the same by the fast way and the careful one."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iris_core.tables import OTHER, Classes, MemoryInput, Wanted, is_missing, numbers, read
from iris_core.tables.cells import is_finite

pytestmark = pytest.mark.unit

CASES = json.loads((Path(__file__).parents[2] / "fixtures/cases/cases.json").read_text())
TOKENS = [token for case in CASES for token in case["args"].get("tokens", ())]
NUMBER = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf(?:inity)?", re.IGNORECASE
)
BLANKS = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def meant(cell: str) -> float | None:
    """What a cell means, said once more and slowly."""
    bare = cell.strip(BLANKS)
    return float(bare) if NUMBER.fullmatch(bare) else None


def cast(*cells: str) -> list[float | None]:
    return numbers(pl.DataFrame({"a": cells}))["a"].to_list()


class TestNumbers:
    def test_numbers(self) -> None:
        assert cast("1", " 2.5 ", "-3e2", "+.5", "\t7", "5.\u00a0") == [1.0, 2.5, -300.0, 0.5, 7.0, 5.0]

    def test_infinite(self) -> None:
        assert cast("inf", "-Infinity", "1e400") == [math.inf, -math.inf, math.inf]

    @pytest.mark.parametrize("cell", ["", " ", "NA", "NaN", "nan", "null", " None "])
    def test_missing(self, cell: str) -> None:
        assert cast("1", cell) == [1.0, None]
        assert is_missing(pl.Series(["1", cell])).to_list() == [False, True]

    @pytest.mark.parametrize(
        "cell", ["1,5", "1_000", "5 cm", "abc", "0x1", "1.2.3", "--1", "TRUE", "-nan", "５"]
    )
    def test_not_numbers(self, cell: str) -> None:
        assert cast("1", cell) == [1.0, None]
        assert not is_missing(pl.Series([cell])).any()

    @pytest.mark.parametrize(
        ("cells", "whether"),
        [
            ([], True),
            ([0.0, -1.5], True),
            ([1e308] * 3, True),
            ([1.0, math.inf], False),
            ([math.inf, -math.inf], False),
            ([1.0, math.nan], False),
            ([1.0, None], False),
        ],
    )
    def test_finite(self, cells: list[float | None], whether: bool) -> None:
        assert is_finite(pl.Series(cells, dtype=pl.Float64)) is whether

    def test_columns_keep_their_order(self) -> None:
        frame = numbers(pl.DataFrame({"b": [" 1"], "a": ["2"]}))
        assert frame.schema == pl.Schema({"b": pl.Float64, "a": pl.Float64})
        assert frame.rows() == [(1.0, 2.0)]


cells = st.one_of(
    st.text(st.sampled_from("0123456789+-.eEinfatyNA_x \t'\u00a0\u2003\u200b\u2212\ufeff５%"), max_size=7),
    st.text(st.characters(exclude_characters=',"\n\r\x00', exclude_categories=["Cs"]), max_size=5),
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from([token for token in TOKENS if token]),
)


@settings(max_examples=80)
@given(cells)
@example("\ufeff5")
@example("5\u00a0")
@example("5\x85")
def test_the_fast_way_the_careful_way_and_the_words_agree(cell: str) -> None:
    wanted = Wanted(features=("a", "b"), has_rest=True)
    plain = f"a,b,c\n1,2,x\n{cell},2,x\n3,4,x\n".encode()
    quoted, lines = plain.replace(b"4,x", b'4,"x"'), plain.replace(b"\n", b"\r\n")
    told = []
    for data, size in ((plain, 1 << 20), (plain, 4), (quoted, 1 << 20), (lines, 1 << 20)):
        batches = read(MemoryInput(data, "t"), wanted, block_bytes=size).batches()
        told.append(pl.concat([batch.features for batch in batches])["a"].to_list())
    assert told == [[1.0, meant(cell), 3.0]] * len(told)


@given(st.lists(st.sampled_from(["", " ", "NA", "x", "\u00a0", "1"]), min_size=1))
def test_missing_is_the_same_in_any_company(column: list[str]) -> None:
    assert is_missing(pl.Series(column)).to_list() == [cell.strip(BLANKS) in ("", "NA") for cell in column]


def labels(classes: list[str], *found: str | None) -> list[str | None]:
    return Classes(classes).read(pl.Series(found, dtype=pl.String)).text().to_list()


class TestLabels:
    def test_written_as_a_class(self) -> None:
        assert labels(["a", "b"], "a", " b", "b\u00a0", "A", "c") == ["a", "b", "b", OTHER, OTHER]

    def test_no_label(self) -> None:
        assert labels(["a", "b"], "", " ", "NA", "none", None, "nan") == [None] * 6

    def test_a_class_with_the_name_of_nothing(self) -> None:
        assert labels(["NA", "None", "x"], "NA", " None ", "na", "", "null") == [
            "NA",
            "None",
            None,
            None,
            None,
        ]
        assert labels(["", "x"], "", "x") == [None, "x"]

    def test_truth_values(self) -> None:
        assert labels(["True", "False"], "TRUE", "false", "1", "0.0", "2") == [
            "True",
            "False",
            "True",
            "False",
            OTHER,
        ]
        assert labels(["0", "1"], "TRUE", "false", "yes") == ["1", "0", OTHER]
        assert labels(["1", "2"], "TRUE", "2") == [OTHER, "2"]
        assert labels(["true", "false", "1"], "TRUE", "1.0", "0") == ["true", "1", OTHER]

    def test_numbers(self) -> None:
        assert labels(["0", "1"], "1.0", "+1", "0e5", "01", "1.5") == ["1", "1", "0", "1", OTHER]
        assert labels(["01", "02"], "1", "2.0") == ["01", "02"]
        assert labels(["1", "1.0"], "1", "1.0", "1.00") == ["1", "1.0", OTHER]

    def test_unknown_text_is_kept_and_missing_is_not(self) -> None:
        found = Classes(["a", "b"]).read(pl.Series(["a", " x ", "", "NA"]))
        assert found.unknown.to_list() == [None, " x ", None, None]
        assert found.known.to_list() == ["a", None, None, None]
        some = found.filter(pl.Series([False, True, True, False]))
        assert (some.known.to_list(), some.unknown.to_list()) == ([None, None], [" x ", None])
