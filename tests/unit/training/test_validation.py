"""Validation: each fault is found over the whole file and told with its column and row."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Callable

import polars as pl
import pytest

from iris_core.errors import DataRejected
from iris_core.settings.features import Feature
from iris_core.settings.project_files import load_project
from iris_core.tables import MemoryInput
from iris_core.training.validation import Evidence, validate_training

pytestmark = pytest.mark.unit

WHERE = "s3://team-a-bucket/iris/iris_train.csv"
TABLE = load_project().table
HEADER = "sepal_length,sepal_width,petal_length,petal_width,species"


def good_rows(number: int = 30) -> list[str]:
    """Distinct rows, classes in turn: row 2 is a setosa, row 3 a versicolor, row 4 a virginica."""
    return [f"5.{i:03},3.5,1.4,0.2,{TABLE.classes[i % 3]}" for i in range(number)]


def table(rows: list[str] | None = None, header: str = HEADER, **changed: str) -> bytes:
    """A training table; `r7="…"` replaces the row that a spreadsheet shows as 7."""
    lines = good_rows() if rows is None else list(rows)
    for name, row in changed.items():
        lines[int(name[1:]) - 2] = row
    return "\n".join([header, *lines, ""]).encode()


def passed(data: bytes) -> Evidence:
    return validate_training(MemoryInput(data, WHERE), TABLE)


def rejected(data: bytes) -> DataRejected:
    with pytest.raises(DataRejected) as caught:
        validate_training(MemoryInput(data, WHERE), TABLE)
    return caught.value


def told(data: bytes) -> str:
    return str(rejected(data)).removeprefix(f"{WHERE}: ")


class TestPasses:
    def test_evidence(self) -> None:
        evidence = passed(table())
        assert evidence.rows == 30
        assert evidence.columns == tuple(HEADER.split(","))
        assert evidence.class_counts == {"setosa": 10, "versicolor": 10, "virginica": 10}
        assert evidence.out_of_range == dict.fromkeys(TABLE.feature_names, 0)
        assert (evidence.duplicates, evidence.findings, evidence.has_labels) == (0, (), True)
        assert Evidence.model_validate(json.loads(evidence.model_dump_json())) == evidence

    @pytest.mark.parametrize(
        "data",
        [
            b"\xef\xbb\xbf" + table(),
            table().replace(b"\n", b"\r\n"),
            table().replace(b"\n", b"\n\n"),
            table().rstrip(b"\n"),
            table().replace(b",3.5,", b',"3.5",'),
            table().replace(b",3.5,", b",3,"),
            table().replace(b",3.5,", b", 3.5 ,"),
            table().replace(b"setosa", b" setosa "),
            table(r2="5,3,1,1,setosa"),
        ],
        ids=["bom", "crlf", "blank", "no end", "quoted", "integers", "spaces", "label spaces", "integer row"],
    )
    def test_harmless_oddities(self, data: bytes) -> None:
        assert passed(data).class_counts == {"setosa": 10, "versicolor": 10, "virginica": 10}

    def test_extra_columns_in_any_order(self) -> None:
        rows = [f"id{i},{row}" for i, row in enumerate(good_rows())]
        assert passed(table(rows, f"id,{HEADER}")).extra_columns == ("id",)

    def test_bounds_are_plausible(self) -> None:
        passed(table(r2="3.0,1.0,0.5,0.05,setosa", r5="10,6,9,4,setosa"))

    def test_few_duplicates_are_counted(self) -> None:
        assert passed(table(good_rows() + good_rows(15))).duplicates == 15


def test_a_table_that_does_not_fit_is_told_before_it_is_loaded() -> None:
    given = MemoryInput(table(good_rows(8_000)), WHERE)
    assert validate_training(given, TABLE, most_mb=3).rows == 8_000
    with pytest.raises(DataRejected) as caught:
        validate_training(given, TABLE, most_mb=2)
    assert str(caught.value).startswith(
        f"{WHERE}: found 8,000 rows, which training needs about 2 MB for, expected at most 2 MB "
        "(MAX_TRAIN_MB): about 7,710 rows. Train on a random sample of the rows."
    )


class TestRejectsCells:
    def test_text_in_a_number_column(self) -> None:
        sentence = told(table(r7="abc,3.5,1.4,0.2,setosa"))
        assert sentence.startswith(
            "column 'sepal_length', row 7: found 'abc', expected a number in cm. Correct"
        )

    def test_five_rows_are_named(self) -> None:
        sentence = told(table().replace(b",0.2,", b',"0,2",'))
        assert sentence.startswith(
            "column 'petal_width', rows 2, 3, 4, 5, 6 and 25 more: found '0,2', expected a number in cm."
        )

    def test_rows_are_found_over_the_whole_file(self) -> None:
        """In a second batch, behind more than 8 MB."""
        data = table(good_rows(300_000))[:-1] + b"\n\nn,3.5,1.4,0.2,setosa\n5.1,,1.4,0.2,setosa\n"
        findings = rejected(data).evidence["findings"]
        assert [(one["column"], one["rows"]) for one in findings] == [
            ("sepal_length", [300_003]),
            ("sepal_width", [300_004]),
        ]

    def test_findings_add_up_over_batches(self) -> None:
        bad = [f"{cell},3.5,1.4,0.2,setosa" for cell in "nnnnnnm"]
        error = rejected(table([*bad, *good_rows(300_000), *bad]))
        (finding,) = error.evidence["findings"]
        assert (finding["rows"], finding["count"]) == ([2, 3, 4, 5, 6], 14)
        assert finding["found"] == "'n', 'm'"

    def test_rows_of_two_batches_are_named(self) -> None:
        bad = ["n,3.5,1.4,0.2,setosa"] * 3
        assert "rows 2, 3, 4, 300005, 300006 and 1 more" in told(table([*bad, *good_rows(300_000), *bad]))

    def test_range_without_a_unit(self) -> None:
        plain = TABLE.model_copy(update={"features": (Feature(name="sepal_length", min=0, max=5),)})
        with pytest.raises(DataRejected, match=r"found '6', expected 0 to 5[.;] "):
            validate_training(MemoryInput(table(["4,1,1,1,setosa", "6,1,1,1,setosa"]), WHERE), plain)

    def test_of_two_like_faults_the_more_frequent_is_told_first(self) -> None:
        rows = {"r2": "x,3.5,1.4,0.2,setosa", "r3": "5,3.5,x,0.2,setosa", "r4": "5,3.5,x,0.2,setosa"}
        findings = rejected(table(None, **rows)).evidence["findings"]
        assert [one["column"] for one in findings] == ["petal_length", "sepal_length"]

    def test_long_values_are_cut(self) -> None:
        assert f"found '{'z' * 39}…', expected" in told(table(r7=f"{'z' * 500},3.5,1.4,0.2,setosa"))

    def test_missing_values(self) -> None:
        sentence = told(table(r3="5.1,,1.4,0.2,setosa", r9="5.1,NA,1.4,0.2,setosa"))
        assert sentence.startswith(
            "column 'sepal_width', rows 3, 9: found an empty cell, 'NA', expected a number"
        )

    def test_infinite(self) -> None:
        sentence = told(table(r4="inf,3.5,1.4,0.2,setosa"))
        assert sentence.startswith("column 'sepal_length', row 4: found 'inf', expected 3 to 10 cm")

    def test_out_of_range(self) -> None:
        error = rejected(table(r4="51,3.5,1.4,0.2,setosa", r6="2.99,3.5,1.4,0.2,setosa"))
        assert "column 'sepal_length', rows 4, 6: found '51', '2.99', expected 3 to 10 cm" in str(error)
        assert error.evidence["out_of_range"]["sepal_length"] == 2

    def test_infinite_is_not_counted_out_of_range(self) -> None:
        assert rejected(table(r4="inf,3.5,1.4,0.2,setosa")).evidence["out_of_range"]["sepal_length"] == 0

    def test_unknown_class(self) -> None:
        sentence = told(table(r5="5.1,3.5,1.4,0.2,Setosa", r8="5,3.5,1.4,0.2,rose"))
        assert sentence.startswith(
            "column 'species', rows 5, 8: found 'Setosa' (is it 'setosa'?), 'rose', "
            "expected 'setosa', 'versicolor' or 'virginica'. Correct"
        )

    def test_all_labels_in_capitals_are_one_finding(self) -> None:
        error = rejected(table().upper().replace(HEADER.upper().encode(), HEADER.encode()))
        assert [one["check"] for one in error.evidence["findings"]] == ["unknown_class"]
        assert error.evidence["findings"][0]["count"] == 30
        assert "'SETOSA' (is it 'setosa'?), 'VERSICOLOR' (is it 'versicolor'?)" in str(error)

    def test_missing_label(self) -> None:
        error = rejected(table(r5="5.1,3.5,1.4,0.2,", r6="5.1,3.5,1.4,0.2,NA"))
        assert "column 'species', rows 5, 6: found an empty cell, 'NA', expected 'setosa'" in str(error)
        assert [one["check"] for one in error.evidence["findings"]] == ["missing_label"]

    def test_worst_first_and_three_told(self) -> None:
        error = rejected(
            table(
                r2="51,3.5,1.4,0.2,setosa",
                r3="5.1,,1.4,0.2,setosa",
                r4="5.1,3.5,x,0.2,setosa",
                r5="5.1,3.5,1.4,inf,setosa",
                r6="5.1,3.5,1.4,0.2,rose",
            )
        )
        checks = [one["check"] for one in error.evidence["findings"]]
        assert checks == ["not_a_number", "unknown_class", "missing", "infinite", "out_of_range"]
        assert str(error).count(": found") == 3
        assert "; and 2 more findings. " in str(error)
        assert str(error).endswith(
            "Correct the cells or delete the rows (a '.' before decimals, no thousands separators, no unit; "
            "a new class belongs in project.json). Then upload the file again."
        )

    def test_row_numbers_with_blank_lines_and_quoted_newlines(self) -> None:
        rows = [*good_rows(), "", '5.1,3.5,1.4,0.2,"set\nosa"', "x,3.5,1.4,0.2,setosa"]
        findings = rejected(table(rows)).evidence["findings"]
        assert {one["check"]: one["rows"] for one in findings} == {
            "not_a_number": [34],
            "unknown_class": [33],
        }


class TestRejectsTables:
    def test_without_the_target(self) -> None:
        rows = [row.rpartition(",")[0] for row in good_rows()]
        sentence = told(table(rows, HEADER.removesuffix(",species")))
        assert sentence.startswith("column 'species': found no such column among 'sepal_length', ")
        assert "expected one of this name. Add or rename the columns." in sentence

    def test_misspelt_column(self) -> None:
        sentence = told(table(header=HEADER.replace("petal_width", "Petal width (cm)")))
        assert sentence.startswith("column 'petal_width': found ")
        assert "(is it 'Petal width (cm)'?), expected one of this name" in sentence

    def test_missing_column_does_not_end_the_search(self) -> None:
        error = rejected(table(header=HEADER.replace("petal_width", "w"), r7="x,3.5,1.4,0.2,setosa"))
        assert [one["check"] for one in error.evidence["findings"]] == ["missing_column", "not_a_number"]

    def test_no_header(self) -> None:
        error = rejected(b"\n".join(table().splitlines()[1:]))
        sentence = (
            "found '5.000', '3.5', '1.4', '0.2', 'setosa', which are values, expected a header with 'sepal_"
        )
        assert sentence in str(error)
        assert len(error.evidence["findings"]) == 2

    def test_many_columns_are_not_all_listed(self) -> None:
        names = ",".join(f"c{i}" for i in range(14))
        sentence = told(f"{names}\n{names}\n".encode())
        assert (
            "among 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8', 'c9' and 4 more, expected"
            in sentence
        )

    def test_only_a_header(self) -> None:
        error = rejected(table([]))
        assert "found a header that has no rows below it, expected at least 30" in str(error)
        assert [one["check"] for one in error.evidence["findings"]] == ["no_rows"]

    def test_too_few_rows(self) -> None:
        assert told(table(good_rows(29))).startswith(
            "found only 29 rows, expected at least 30. Add rows. Then"
        )
        assert [one["check"] for one in rejected(table(good_rows(12))).evidence["findings"]] == [
            "too_few_rows"
        ]

    def test_class_absent(self) -> None:
        sentence = told(table().replace(b"virginica", b"setosa"))
        assert sentence.startswith(
            "column 'species': found no rows of 'virginica', expected at least 5 of each"
        )

    @pytest.mark.parametrize("number", [4, 5])
    def test_class_too_small_to_split(self, number: int) -> None:
        rows = [f"{i % 5 + 4}.{i:03},3,1,1,{TABLE.classes[i % 2]}" for i in range(40)]
        rows += [f"5,3,1,1.{i},virginica" for i in range(number)]
        if number == 5:
            passed(table(rows))
        else:
            assert told(table(rows)).startswith(
                "column 'species': found 4 rows of 'virginica', expected at least"
            )

    def test_mostly_duplicates_may_be_allowed(self) -> None:
        rows = table(good_rows() * 2 + good_rows(1))
        evidence = validate_training(MemoryInput(rows, WHERE), TABLE, most_repeated=0.6)
        assert (evidence.duplicates, evidence.discrete) == (31, False)

    @pytest.mark.parametrize("answers", [(1, 5), (1, 2), (0, 0)])
    def test_rows_of_few_values_cannot_but_repeat(
        self, answers: tuple[int, int], caplog: pytest.LogCaptureFixture
    ) -> None:
        draw, classes = random.Random(1), ("setosa", "versicolor", "virginica")
        rows = [
            ",".join([*(str(5 + draw.randint(*answers) / 10) for _ in range(2)), "1.4,0.2", classes[n % 3]])
            for n in range(400)
        ]
        evidence = passed(table(rows))
        assert evidence.discrete
        assert evidence.duplicates > 200
        assert f"{evidence.duplicates} of 400 rows that repeat an earlier row" in caplog.text

    def test_a_copied_table_has_few_values_too(self) -> None:
        rows = [
            f"{5 + n / 10},3.{n},1.{n},0.{n + 1},{('setosa', 'versicolor', 'virginica')[n % 3]}"
            for n in range(9)
        ]
        assert told(table(rows * 20)).startswith("found 171 of 180 rows that repeat an earlier row")

    def test_mostly_duplicates(self) -> None:
        passed(table(good_rows() * 2))
        sentence = told(table(good_rows() * 2 + good_rows(1)))
        assert sentence.startswith(
            "found 31 of 61 rows that repeat an earlier row in every column, expected at"
        )

    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b"", "found no bytes"),
            (table().decode().encode("utf-16"), "found UTF-16"),
            (table().decode().encode("utf-16-le"), "row 1: found NUL bytes"),
            (table(r4="5,3,1,1,é").decode().encode("latin-1"), "row 4: found byte 0xE9"),
            (table(r5="5,3,1,1"), "row 5: found 4 fields, expected 5 fields"),
            (table(r6="5,3,1,1,setosa,"), "row 6: found 6 fields, expected 5 fields"),
            (table(r7='5,3,1,1,"setosa'), "row 7: found a quote that is never closed"),
            (
                table(header=HEADER.replace("sepal_width", "sepal_length")),
                "row 1: found columns 1 and 2 both",
            ),
            (table().replace(b",", b";"), "row 1: found columns separated by ';'"),
        ],
    )
    def test_unreadable(self, data: bytes, sentence: str) -> None:
        assert told(data).startswith(sentence)


def parquet(data: bytes) -> bytes:
    out = io.BytesIO()
    pl.read_csv(data).write_parquet(out)
    return out.getvalue()


@pytest.mark.parametrize("packed", [gzip.compress, parquet])
def test_other_formats_give_the_same_evidence(packed: Callable[[bytes], bytes]) -> None:
    data = table(good_rows(60) + good_rows(3))
    assert passed(packed(data)) == passed(data)
    bad = table(r3="5.1,,1.4,0.2,setosa", r4="51,3.5,1.4,0.2,setosa", r5="5.1,3.5,1.4,0.2,rose")
    assert rejected(packed(bad)).evidence == rejected(bad).evidence


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (("True", "False"), ("TRUE", "false", "1", "0.0", "True")),
        (("0", "1"), ("1.0", "0.0", "true", "01", "+0")),
        (("NA", "None"), ("NA", "None", " NA ", "None", "NA")),
    ],
)
def test_a_label_is_a_class_in_whatever_way_it_is_written(
    classes: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    schema = TABLE.model_copy(update={"classes": classes})
    rows = [f"5.{i:03},3.5,1.4,0.2,{labels[i % 5]}" for i in range(30)]
    evidence = validate_training(MemoryInput(table(rows), WHERE), schema)
    assert sum(evidence.class_counts.values()) == 30
    assert min(evidence.class_counts.values()) >= 12


def test_rows_and_nameless_columns_without_a_value_are_none() -> None:
    data = table([*good_rows(), ",,,,", '"","",,,', ""]).replace(b"\n", b",,\n")
    evidence = passed(data)
    assert (evidence.rows, evidence.columns) == (30, tuple(HEADER.split(",")))
    named = passed(table().replace(b"\n", b",x\n").replace(b"species,x", b"species,"))
    assert named.extra_columns == ("",)


def test_a_title_above_the_header() -> None:
    for title in ("# LIMS export 2026-03-01", "Flowers of March", "Flowers, March,,,", "sep=,"):
        sentence = told(f"{title}\n".encode() + table())
        assert sentence.startswith(f"row 1: found {title!r}, and the columns' names in row 2, expected the")
    assert told(b"Flowers of March\n" + table(header="x,y,z,u,v")).startswith(
        "column 'sepal_length': found no such"
    )


def test_a_record_holds_a_hundred_names() -> None:
    names = [*(f"c{number}" for number in range(5_000)), "n" * 5_000]
    header, row = ",".join([HEADER, *names]), ",1" * len(names)
    data = "\n".join([header, *(f"{line}{row}" for line in good_rows())]).encode()
    evidence = passed(data)
    assert (evidence.column_count, len(evidence.columns), len(evidence.extra_columns)) == (5_006, 100, 100)
    first = passed(table([f"{line},1" for line in good_rows()], f"{HEADER},{'n' * 5_000}"))
    assert first.extra_columns == ("n" * 99 + "…",)
