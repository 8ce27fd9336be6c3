"""What is proposed for odd tables, and what is said to be doubtful."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from iris_core.errors import DataRejected
from iris_core.settings.project import Project
from iris_core.tables import MemoryInput
from iris_core.training.validation import validate_training
from iris_core.trial.proposal import Proposal, propose

ROWS = 120


def table(rows: int = ROWS, /, **columns: Sequence[object]) -> bytes:
    """A CSV of an amount that tells the class, and these columns."""
    chance = random.Random(7)
    label = [("no", "yes")[number % 2] for number in range(rows)]
    amount = [f"{chance.gauss(10 + 3 * (each == 'yes'), 2):.2f}" for each in label]
    whole = {
        "amount": amount,
        **columns,
        "churned": label,
        **{k: v for k, v in columns.items() if k == "churned"},
    }
    lines = [",".join(whole), *(",".join(map(str, row)) for row in zip(*whole.values(), strict=True))]
    return "\n".join([*lines, ""]).encode()


def proposed(data: bytes, target: str = "churned") -> Proposal:
    """The proposal; what is written must be a project."""
    found = propose(MemoryInput(data, "t.csv"), target, "My table 1")
    Project.model_validate(found.project)
    return found


def refused(data: bytes, target: str = "churned") -> str:
    with pytest.raises(DataRejected) as caught:
        propose(MemoryInput(data, "t.csv"), target, "t")
    return str(caught.value)


def features(found: Proposal) -> list[str]:
    return [each["name"] for each in found.project["table"]["features"]]


def test_a_plain_table_has_ranges_with_room_and_no_doubt() -> None:
    found = proposed(table(age=[20 + number % 50 for number in range(ROWS)]))
    assert features(found) == ["amount", "age"]
    assert found.doubts == ()
    [_, age] = found.project["table"]["features"]
    assert (age["min"], age["max"]) == (0, 94)
    assert found.project["name"] == "my_table_1"
    assert found.project["table"]["classes"] == ["no", "yes"]
    assert "metric" not in found.project


@pytest.mark.parametrize(
    ("column", "what", "doubt"),
    [
        ([f"2024-01-{1 + n % 28:02d}" for n in range(ROWS)], "left out: dates", "days since a date"),
        ([f"{1 + n % 28}.02.2024" for n in range(ROWS)], "left out: dates", "days since a date"),
        ([str(n / 7) if n % 50 else "n. a." for n in range(ROWS)], "left out: not all numbers", "3 cells"),
        ([f"{n % 70:05d}" for n in range(ROWS)], "left out: a code", "leading zeros"),
        ([f"+49 170 {n:03d}-{7 * n}" for n in range(ROWS)], "left out: a code", "phone numbers or codes"),
        ([f"level {n % 100}" for n in range(ROWS)], "left out: free text or ids", "100 different texts"),
        ([f"{n * 7919 % 101 / 7}e300" for n in range(ROWS)], "left out: too large", "take their logarithm"),
        (
            [f'"{n % 17},{n % 7}"' for n in range(ROWS)],
            "left out: numbers that are written otherwise",
            "a comma",
        ),
        ([f"{n / 7:.1f} kg" for n in range(ROWS)], "left out: numbers that are written otherwise", "a unit"),
        (["7"] * ROWS, "left out: constant", "every cell is '7'"),
        (["1", "1.0"] * (ROWS // 2), "left out: constant", "every number is 1"),
        ([""] * ROWS, "left out: empty", "it has no values"),
        (["", "", "3"] * (ROWS // 3), "left out: mostly missing", "80 of 120 cells are missing"),
    ],
)
def test_what_is_no_feature_is_left_out_and_told(column: list[str], what: str, doubt: str) -> None:
    found = proposed(table(odd=column))
    assert features(found) == ["amount"]
    assert dict(found.found)["odd"] == what
    [told] = found.doubts
    assert told.startswith("odd: ")
    assert doubt in told


@pytest.mark.parametrize("name", ["prediction", "model_version", "probability_yes"])
def test_a_column_that_scoring_writes_is_to_be_renamed(name: str) -> None:
    found = proposed(table(ROWS, **{name: [n % 17 for n in range(ROWS)]}))
    assert features(found) == ["amount"]
    assert found.doubts == (f"{name}: rename it: scoring refuses a table that has it",)


def test_a_name_that_model_profiles_need_is_no_feature() -> None:
    found = proposed(table(ROWS, __holdout=[n % 17 for n in range(ROWS)]))
    assert features(found) == ["amount"]
    assert found.doubts == ("__holdout: rename it to make it a feature",)


@pytest.mark.parametrize("name", ["phone", "zip code", "account_no", "PLZ"])
def test_a_number_that_is_named_like_a_code(name: str) -> None:
    found = proposed(table(ROWS, **{name: [10_000 + n // 2 for n in range(ROWS)]}))
    assert dict(found.found)[name] == "left out: a code"


@pytest.mark.parametrize(
    ("column", "doubt"),
    [
        ([n % 5 for n in range(ROWS)], "5 different whole numbers: an amount, or a code"),
        (
            [*["", "NA"], *(n / 7 for n in range(ROWS - 2))],
            "2 cells are missing: their median and an indicator",
        ),
        (
            [*["inf"], *(n / 7 for n in range(ROWS - 1))],
            "1 cell is infinite: such a training table is refused",
        ),
        ([10**16 + n // 2 for n in range(ROWS)], "are not exact beyond 9,007,199,254,740,992; is it an id?"),
        ([n % 2 + 0.001 * (n % 7) for n in range(ROWS)], "names the class in 100% of the rows by itself"),
    ],
)
def test_features_that_are_doubtful(column: list[object], doubt: str) -> None:
    found = proposed(table(odd=column))
    assert features(found) == ["amount", "odd"]
    [told] = found.doubts
    assert doubt in told


@pytest.mark.parametrize("ids", [list(range(ROWS)), [f"c{n}" for n in range(ROWS)]])
def test_the_first_column_of_ids_is_the_key(ids: list[object]) -> None:
    found = proposed(table(customer=ids, again=[10 * n for n in range(ROWS)]))
    assert found.project["table"]["key"] == "customer"
    assert dict(found.found)["again"] == "left out: an id"


def test_a_date_or_a_long_text_in_every_row_is_no_key() -> None:
    dates = [f"20{10 + n // 12:02d}-{1 + n % 12:02d}-01" for n in range(ROWS)]
    found = proposed(table(day=dates, said=[f"{'so ' * 30}{n}" for n in range(ROWS)]))
    assert "key" not in found.project["table"]
    assert dict(found.found)["day"] == "left out: dates"


def test_amounts_that_differ_in_every_row_are_features_and_doubtful() -> None:
    found = proposed(table(income=[(n * 7919) % 100_003 for n in range(ROWS)]))
    assert features(found) == ["amount", "income"]
    assert found.doubts == ("income: another whole number in every row: an amount, or an id?",)


def test_a_class_that_is_named_as_the_key_usually_is() -> None:
    found = proposed(table().replace(b"churned", b"id", 1), "id")
    assert found.project["table"]["key"] == "row_id"


def test_the_key_is_no_name_that_is_taken() -> None:
    levels = [("basic", "gold")[n // 2 % 2] for n in range(ROWS)]
    found = proposed(table(id=levels, row_id=levels))
    assert features(found) == ["amount", "id", "row_id"]
    assert found.project["table"]["key"] == "row_id_2"


def test_a_rare_class_changes_metric_and_weights() -> None:
    found = proposed(table(churned=["yes" if n < 6 else "<=50 K" for n in range(ROWS)]))
    assert found.project["metric"] == "balanced_accuracy"
    assert found.project["model"] == {"class_weights": "balanced"}
    assert found.project["table"]["classes"] == ["<=50 K", "yes"]


def test_a_feature_is_not_said_to_tell_a_rare_class_that_it_does_not_know() -> None:
    """Always answering the majority class is right in 99 of 100 rows."""
    labels = ["rare" if n % 100 == 0 else "usual" for n in range(1_000)]
    data = table(1_000, churned=labels, noise=[(n * 7919) % 101 / 7 for n in range(1_000)])
    assert not [doubt for doubt in proposed(data).doubts if "names the class" in doubt]


def test_classes_with_blanks_around_are_one() -> None:
    data = table(churned=[(" yes", "yes ", "no", "not sure")[n % 4] for n in range(ROWS)])
    assert proposed(data).project["table"]["classes"] == ["yes", "no", "not sure"]


def test_a_class_with_few_rows_and_rows_without_one_are_told() -> None:
    found = proposed(table(churned=["yes"] * 3 + [""] * 2 + ["no"] * (ROWS - 5)))
    assert "churned: 2 rows have no class; such a table is refused: leave them out" in found.doubts
    assert "churned: a class has 3 rows; 5 are needed" in found.doubts


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (table(churned=["no"] * ROWS), "has one class, 'no'; a model needs two"),
        (table(1), "has 1 row with a class; a training table needs 30"),
        (table(churned=[n / 7 for n in range(ROWS)]), "they look like numbers to be estimated, not classes"),
        (table(churned=[f"text {n}" for n in range(ROWS)]), "they look like ids or free text, not classes"),
        (b"amount,churned,amount\n1,no,2\n" * 40, "amount"),
        (
            b"churned,plan\n" + b"no,a\nyes,a\n" * 40,
            "has no column that could be a feature. plan: every cell",
        ),
        (
            table() + b"amount,churned\n" + table().split(b"\n", 1)[1],
            "row 122: the header again. Delete the row",
        ),
        (b"", "found no bytes"),
        (b"\x89PNG\r\n", "found"),
    ],
)
def test_tables_that_are_refused(data: bytes, told: str) -> None:
    assert told in refused(data)


def test_a_target_that_scoring_writes() -> None:
    told = refused(table().replace(b"churned", b"prediction", 1), "prediction")
    assert "scoring writes a column 'prediction'. Rename the target's." in told


def test_another_target_is_named() -> None:
    assert "has no column 'nosuch'. --target names one of 'amount', 'churned'." in refused(table(), "nosuch")


@pytest.mark.parametrize(("rows", "what"), [(6_000, "free text or ids"), (26_000, "too many levels")])
def test_five_thousand_levels(rows: int, what: str) -> None:
    found = proposed(table(rows, level=[f"l{n % 5_000}" for n in range(rows)]))
    assert dict(found.found)["level"] == f"left out: {what}"
    assert found.project["table"]["ignored"] == ["level"]


@pytest.mark.parametrize(
    "pair", [("yes", "no"), ("TRUE", "FALSE"), ("1", "0"), ("Y", "n"), ("1.0", "0.0"), ("on", "off")]
)
def test_truth_values_in_any_words(pair: tuple[str, str]) -> None:
    found = proposed(table(odd=[pair[n % 3 == 0] for n in range(ROWS)]))
    assert found.project["table"]["features"][1] == {"name": "odd", "type": "boolean"}
    assert found.doubts == ()


def test_a_category_has_its_levels_and_takes_others() -> None:
    plans = [("gold", "basic", "pro; plus", "")[n // 2 % 4] if n else "rare" for n in range(ROWS)]
    found = proposed(table(plan=plans))
    assert found.project["table"]["features"][1] == {
        "name": "plan",
        "type": "category",
        "levels": ["basic", "gold", "pro; plus"],
        "missing": "impute",
        "unseen": "other",
    }
    assert found.doubts == (
        "plan: 30 cells are missing: a level of its own",
        "plan: 1 level with fewer than 5 rows ('rare'): other",
    )


def test_a_level_that_is_called_as_all_others_is_one_of_them() -> None:
    levels = [("(other)", "basic", "gold")[n // 2 % 3] for n in range(ROWS)]
    found = proposed(table(plan=levels, size=["(other)" if one == "gold" else "small" for one in levels]))
    plan, size = found.project["table"]["features"][1:]
    assert (plan["levels"], size["levels"]) == (["basic", "gold"], ["small"])
    assert found.doubts == ()


def test_columns_may_be_called_count() -> None:
    data = table(count=[("basic", "gold")[n // 2 % 2] for n in range(ROWS)])
    assert proposed(data).project["table"]["features"][1]["levels"] == ["basic", "gold"]
    assert proposed(data, "count").project["table"]["classes"] == ["basic", "gold"]


def test_levels_that_begin_with_a_number() -> None:
    found = proposed(table(deck=[("1st", "2nd", "3rd")[n // 2 % 3] for n in range(ROWS)]))
    assert found.project["table"]["features"][1]["levels"] == ["1st", "2nd", "3rd"]


def test_whole_numbers_and_fractions() -> None:
    found = proposed(table(rooms=[n % 17 for n in range(ROWS)], share=[n % 17 / 4 for n in range(ROWS)]))
    [_, rooms, share] = found.project["table"]["features"]
    assert rooms == {"name": "rooms", "type": "integer", "min": 0, "max": 24}
    assert share["type"] == "number"
    assert found.doubts == ()


def test_a_column_that_is_nearly_constant_is_doubtful() -> None:
    found = proposed(table(1_000, odd=[7 if n % 200 else 9 for n in range(1_000)]))
    assert found.doubts == ("odd: near-constant: 99.5% of its cells are '7'",)


@pytest.mark.parametrize(
    ("labels", "positive"),
    [(("no", "yes"), "yes"), (("b", "a", "a"), "b"), (("1", "0", "1"), "1"), (("x", "y", "z"), None)],
)
def test_the_positive_class(labels: Sequence[str], positive: str | None) -> None:
    found = proposed(table(churned=[labels[n % len(labels)] for n in range(ROWS)]))
    assert found.project["table"].get("positive") == positive


def test_names_that_a_category_and_a_truth_value_share_with_nothing_are_read_as_proposed() -> None:
    """What is proposed validates the table that it was made from."""
    plans = [("NA", "x", " y", "")[n % 4] for n in range(ROWS)]
    data = table(plan=plans, ok=[("Yes", "no", "")[n % 3] for n in range(ROWS)])
    schema = Project.model_validate(proposed(data).project).table
    assert validate_training(MemoryInput(data, "t"), schema).rows == ROWS
