"""Evidently's tests as we pin and read them, on real runs of Evidently."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from html.parser import HTMLParser
from math import sqrt
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from iris_core.drift.evidently_plan import EvidentlyColumn
from iris_core.drift.evidently_report import evidently_report, inert, report_or_reason
from iris_core.errors import DataRejected, IrisError

NAMES = ("a", "b")


def _table(n: int, seed: int, accuracy: float = 0.95) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    label = rng.choice(["x", "y", "z"], n)
    guess = np.where(rng.random(n) < accuracy, label, "x")
    return pl.DataFrame(rng.normal(size=(n, 2)), schema=list(NAMES)).with_columns(
        prediction=pl.Series(guess), species=pl.Series(label)
    )


REFERENCE, CURRENT = _table(500, 1), _table(100, 2)


def _by_column(*columns: EvidentlyColumn) -> dict[str, EvidentlyColumn]:
    return {column.column: column for column in columns}


def test_small_samples_methods_directions_labels_and_an_offline_page() -> None:
    report = evidently_report(REFERENCE, CURRENT.with_columns(pl.col("a") + 1), NAMES, label="species")
    found = _by_column(*report.columns)
    a, b, prediction = found["a"], found["b"], found["prediction"]
    p = stats.ks_2samp(REFERENCE["a"].to_numpy(), CURRENT["a"].to_numpy() + 1).pvalue
    assert (a.method, a.direction, a.drifted) == ("ks", "below", True)
    assert a.value == pytest.approx(p)
    assert a.threshold == pytest.approx(0.0045 / 4)  # two features, the prediction, the label
    assert (b.drifted, b.reference, b.current) == (False, 500, 100)
    chance = sqrt(stats.chi2.isf(0.0045 / 4, 2) * (1 / 500 + 1 / 100) / 8)
    assert (prediction.role, prediction.direction) == ("prediction", "above")
    assert prediction.threshold == pytest.approx(chance)
    assert not prediction.drifted
    assert "Accuracy" in report.html
    assert report.json["iris"]["current"] == {"rows": 100, "sampled": 100}
    assert "Current data: 100 of 100 rows (seed 0)." in report.html
    assert _fetched(report.html) == []


def _fetched(html: str) -> list[str]:
    """What a browser would load from elsewhere to show the page."""
    styles = " ".join(re.findall(r"<style.*?</style>", html, flags=re.DOTALL))
    tags = re.findall(r"<(?:script|link|img|iframe)[^>]*\s(?:src|href)=[^>]*", html)
    return tags + re.findall(r"@import.{0,80}|url\(\s*['\"]?(?!data:|#)[^)]{0,80}", styles)


HOSTILE = [
    "</script><script>document.title=1337</script>",
    "</SCRIPT ><img src=x onerror=document.title=1337>",
    "<!-- <script>",
    "<body>",
    """'"`${document.title=1337}\\""",
    "\u2028\u0000&lt;/script&gt;",
]


class Tags(HTMLParser):
    """What a browser makes of a page: its tags, and the text in between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[str]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_names_and_values_of_the_data_are_text_in_the_page() -> None:
    """The page has the tags that it has with plain names, and its data reads as it was given."""

    def page(names: list[str]) -> Tags:
        random = np.random.default_rng(0)
        frames = [
            pl.DataFrame(
                {
                    names[0]: random.normal(size=200),
                    names[1]: 1.0,
                    "prediction": random.choice(names[2:], 200),
                    "label": random.choice([names[0], *names[3:]], 200),
                }
            )
            for _ in range(2)
        ]
        return Tags(evidently_report(frames[0], frames[1], names[:2], label="label").html)

    plain, hostile = page([f"plain_{number}" for number in range(len(HOSTILE))]), page(HOSTILE)
    assert hostile.seen == plain.seen
    assert any(f"{HOSTILE[1]} was not tested: constant" in text for text in hostile.texts)
    [data] = [text for text in hostile.texts if text.lstrip().startswith("var ") and "_graphs_" in text]
    read = [json.loads(line.split(" = ", 1)[1].rstrip(";")) for line in data.strip().splitlines()]
    values = set(_strings(read))
    for name in HOSTILE[2:]:
        assert name in values, "the page's data has lost a value"


def _strings(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict | list):
        for each in found.values() if isinstance(found, dict) else found:
            yield from _strings(each)


def test_a_page_that_is_built_otherwise_is_not_let_out() -> None:
    with pytest.raises(IrisError, match="no data where it was expected"):
        inert("<html><script>var data = {};</script></html>")


def test_large_samples_take_a_distance_on_a_seeded_sample() -> None:
    reference, current = (
        _table(6_000, 3),
        _table(5_000, 4).with_columns(pl.col("a") + 0.02, pl.col("b") * 1.5),
    )
    reports = [evidently_report(reference, current, NAMES, sample_rows=4_500, seed=5) for _ in range(2)]
    assert reports[0].columns == reports[1].columns
    found = _by_column(*reports[0].columns)
    assert (found["a"].method, found["a"].direction, found["a"].drifted) == ("wasserstein", "above", False)
    assert (found["a"].threshold, found["a"].reference) == (0.1, 4_500)
    assert found["b"].drifted
    assert reports[0].json["iris"]["reference"] == {"rows": 6_000, "sampled": 4_500}
    assert "Reference data: 4,500 of 6,000 rows (seed 5)." in reports[0].html


def test_columns_that_cannot_be_tested_are_excluded_with_the_reason() -> None:
    current = CURRENT.with_columns(a=pl.lit(None, dtype=pl.Float64))
    report = evidently_report(REFERENCE.with_columns(b=pl.lit(3.0)), current, NAMES)
    found = _by_column(*report.columns)
    assert found["a"].excluded.startswith("500 reference and 0 current values, at least 20")
    assert found["b"].excluded.startswith("constant in the reference")
    assert (found["a"].value, found["a"].drifted, found["b"].value) == (None, False, None)
    assert "a was not tested: 500 reference and 0 current values" in report.html


@pytest.mark.parametrize("rows", [0, 1])
def test_next_to_nothing_makes_a_page_and_no_alarm(rows: int) -> None:
    report = evidently_report(REFERENCE, CURRENT.head(rows), NAMES, label="species")
    assert all(column.excluded and not column.drifted for column in report.columns)
    assert "<body>" in report.html


def test_missing_and_infinite_values_are_left_out_and_counted() -> None:
    odd = pl.when(pl.int_range(pl.len()) < 30).then(float("inf"))
    none = pl.when(pl.int_range(pl.len()) < 40).then(None)
    current = CURRENT.with_columns(a=odd.otherwise(pl.col("a")), b=none.otherwise(pl.col("b")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _by_column(*evidently_report(REFERENCE, current, NAMES).columns)
    assert (found["a"].current, found["b"].current) == (70, 60)
    p = stats.ks_2samp(REFERENCE["a"].to_numpy(), CURRENT["a"].to_numpy()[30:]).pvalue
    assert found["a"].value == pytest.approx(p)


def test_a_new_class_is_far_off() -> None:
    new = CURRENT.with_columns(prediction=pl.lit("new"))
    found = _by_column(*evidently_report(REFERENCE, new, NAMES, label="species").columns)
    # Distributions without a common class are sqrt(ln 2) apart; Evidently fills zeros with 1e-4.
    assert found["prediction"].value == pytest.approx(sqrt(np.log(2)), abs=0.01)


@pytest.mark.parametrize("classes", [("0", "1"), ("no", "yes"), ("only",)])
def test_two_classes_with_labels_have_a_page(classes: tuple[str, ...]) -> None:
    """Evidently's Accuracy takes a class named 1 for the positive one of two, and raises KeyError without
    it.
    """
    rng = np.random.default_rng(3)
    old, new = (
        frame.with_columns(
            prediction=pl.Series(rng.choice(classes, frame.height)),
            species=pl.Series(rng.choice(classes, frame.height)),
        )
        for frame in (REFERENCE, CURRENT)
    )
    report = report_or_reason(old, new, NAMES, label="species")
    assert report.trouble == ""
    assert set(_by_column(*report.columns)) == {"a", "b", "prediction"}


class PanicException(BaseException):
    """As polars' Rust panics arrive: no Exception."""


@pytest.mark.parametrize("error", [KeyError(1), PanicException("a <b> panic")])
def test_whatever_evidently_cannot_do_leaves_a_page_that_says_so(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(sys.modules[evidently_report.__module__], "_run", fails)
    report = report_or_reason(REFERENCE, CURRENT, NAMES)
    assert report.trouble == f"{type(error).__name__}: {error}"
    assert "could not be made" in report.html
    assert "<b>" not in report.html
    assert report.columns == ()


def test_an_interrupt_is_no_trouble_of_evidentlys(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules[evidently_report.__module__], "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        report_or_reason(REFERENCE, CURRENT, NAMES)


def test_one_class_and_no_prediction_are_fine() -> None:
    same = [frame.with_columns(prediction=pl.lit("x")) for frame in (REFERENCE, CURRENT)]
    found = _by_column(*evidently_report(same[0], same[1], NAMES).columns)
    assert (found["prediction"].value, found["prediction"].drifted) == (0.0, False)
    assert set(_by_column(*evidently_report(same[0], same[1], NAMES, prediction=None).columns)) == set(NAMES)


def test_labels_on_one_side_only_are_not_compared() -> None:
    columns = evidently_report(REFERENCE.drop("species"), CURRENT, NAMES, label="species").columns
    assert "performance" not in {column.role for column in columns}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (pl.col("a").cast(pl.String), "Column a holds String"),
        (pl.col("a").alias("other"), "Column a is missing"),
    ],
)
def test_unusable_tables_are_rejected_before_evidently_sees_them(broken: pl.Expr, message: str) -> None:
    current = CURRENT.drop("a").hstack(CURRENT.select(broken))
    with pytest.raises(DataRejected, match=message):
        evidently_report(REFERENCE, current, NAMES)
    with pytest.raises(DataRejected, match="Column prediction is missing"):
        evidently_report(REFERENCE.drop("prediction"), CURRENT, NAMES)


@pytest.mark.integration
def test_importing_the_package_does_not_import_evidently_or_pandas() -> None:
    code = "import sys, iris_core.drift; sys.exit(any(m in sys.modules for m in ('evidently', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.integration
def test_what_scoring_imports_is_light() -> None:
    """Each task imports it; scipy alone takes 0.2 s."""
    code = (
        "import sys, iris_core.scoring, iris_core.ledger;"
        "print(*({'scipy', 'sklearn', 'pandas', 'mlflow', 'evidently', 'boto3'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


LEVELS = {"island": ("Dream", "Biscoe", "</script>"), "tagged": ("false", "true")}


def _categories(n: int, seed: int, shares: tuple[float, ...] = (0.5, 0.3, 0.2)) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "island": rng.choice(3, n, p=shares).astype(np.float64),
            "tagged": np.where(rng.random(n) < 0.1, np.nan, rng.random(n) < 0.4),
            "prediction": rng.choice(["x", "y", "z"], n),
        }
    )


def test_a_table_of_categories_only_has_a_page_with_their_levels() -> None:
    old, new = _categories(500, 1), _categories(400, 2, (0.2, 0.3, 0.5))
    report = evidently_report(old, new, [*LEVELS], codes=LEVELS)
    found = _by_column(*report.columns)
    assert (found["island"].role, found["island"].method, found["island"].drifted) == (
        "feature",
        "jensenshannon",
        True,
    )
    chance = sqrt(stats.chi2.isf(0.0045 / 3, 2) * (1 / 500 + 1 / 400) / 8)
    assert found["island"].threshold == pytest.approx(max(0.1, chance))
    assert (found["tagged"].drifted, found["tagged"].current) == (False, new["tagged"].is_not_nan().sum())
    assert "Biscoe" in report.html
    assert '</script>"' not in report.html


def test_numbers_beside_categories_are_tested_as_before() -> None:
    wide = [frame.hstack(_categories(frame.height, 3).drop("prediction")) for frame in (REFERENCE, CURRENT)]
    names = [*NAMES, *LEVELS]
    found = _by_column(*evidently_report(wide[0], wide[1], names, codes=LEVELS).columns)
    assert [found[name].method for name in names] == ["ks", "ks", "jensenshannon", "jensenshannon"]
    p = stats.ks_2samp(REFERENCE["a"].to_numpy(), CURRENT["a"].to_numpy()).pvalue
    assert found["a"].value == pytest.approx(p)


@pytest.mark.parametrize("name", ["code", "count"])
def test_very_many_levels_have_a_page_that_can_be_read(name: str) -> None:
    codes = {name: tuple(f"level {place}" for place in range(1_000))}
    rng = np.random.default_rng(3)
    tables = [
        pl.DataFrame({name: np.minimum(rng.geometric(0.01, 3_000), 999.0), "prediction": ["x"] * 3_000})
        for _ in range(2)
    ]
    report = evidently_report(tables[0], tables[1], [name], codes=codes)
    assert "(rest)" in report.html
    assert "level 300" not in report.html
    assert not report.columns[0].drifted
