"""What makes a table suspect: a champion that is surprised, a column that knows the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from iris_core.ledger.records.suspect import TOGETHER, Leaks, Surprise
from iris_core.models.holdout import Part, Split
from iris_core.promotion import suspicion
from iris_core.promotion.doubts import doubts_about
from iris_core.promotion.floor import cross_validated
from iris_core.promotion.suspicion import Suspicion, Tables, tables_of

pytestmark = pytest.mark.unit

Change = Callable[[pd.DataFrame, Any, np.random.Generator], tuple[pd.DataFrame, Any]]
NAMES = np.array(["a", "b", "c"])


def as_it_is(features: pd.DataFrame, codes: Any, _: np.random.Generator) -> tuple[pd.DataFrame, Any]:
    return features, codes


def exchanged(features: pd.DataFrame, codes: Any, _: np.random.Generator) -> tuple[pd.DataFrame, Any]:
    return features, np.array([0, 2, 1])[codes]


def half_flipped(features: pd.DataFrame, codes: Any, rng: np.random.Generator) -> tuple[pd.DataFrame, Any]:
    return features, np.where(rng.random(len(codes)) < 0.5, codes, np.array([0, 2, 1])[codes])


def leaking(features: pd.DataFrame, codes: Any, rng: np.random.Generator) -> tuple[pd.DataFrame, Any]:
    told = np.array([1, 2, 0])[codes] + rng.normal(0, 0.05, len(codes))
    return features.assign(weak=told), codes


def blurred(features: pd.DataFrame, codes: Any, rng: np.random.Generator) -> tuple[pd.DataFrame, Any]:
    return features.assign(strong=codes + rng.normal(0, 1, len(codes))), codes


def leaking_mostly(features: pd.DataFrame, codes: Any, rng: np.random.Generator) -> tuple[pd.DataFrame, Any]:
    told = np.where(rng.random(len(codes)) < 0.05, rng.integers(0, 3, len(codes)), codes)
    return features.assign(weak=told + rng.normal(0, 0.05, len(codes))), codes


def leaking_in_parts(
    features: pd.DataFrame, codes: Any, rng: np.random.Generator
) -> tuple[pd.DataFrame, Any]:
    """Neither column tells the class, their sum does."""
    part = rng.normal(0, 4, len(codes))
    return features.assign(strong=part, weak=codes - part + rng.normal(0, 0.05, len(codes))), codes


LEAKS_INTO: dict[Change, str] = {leaking_mostly: "weak", leaking_in_parts: TOGETHER}


def split_of(seed: int, change: Change = as_it_is, rows: int = 120, digits: int = 6) -> Split:
    """Of two columns `strong` tells nearly everything, `weak` next to nothing."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, rows)
    strong = (codes * 4 + rng.normal(0, 1, rows)).round(digits)
    features = pd.DataFrame({"strong": strong, "weak": rng.normal(1, 1, rows).round(digits)})
    features, codes = change(features, codes, rng)
    labels = pd.Series(NAMES[codes])
    held = np.arange(rows) % 5 == 0
    return Split(Part(features[~held], labels[~held]), Part(features[held], labels[held]))


def found(own: Split, new: Split) -> tuple[Surprise | str, Leaks | None]:
    model = LogisticRegression().fit(own.learned.features, own.learned.labels)
    tables = tables_of(own, new)
    said = Suspicion(tables, model, "ask")
    return said.surprise(), said.leaks()


def is_surprised(own: Split, new: Split) -> bool:
    surprise = found(own, new)[0]
    assert isinstance(surprise, Surprise)
    return surprise.is_suspect


@pytest.mark.parametrize("seed", range(5))
class TestTables:
    def test_a_sound_one_is_not_suspect(self, seed: int) -> None:
        surprise, leaks = found(split_of(seed), split_of(seed + 100))
        assert isinstance(surprise, Surprise)
        assert not surprise.is_suspect
        assert leaks is None
        assert "labels are wrong" not in surprise.sentence

    @pytest.mark.parametrize("change", [exchanged, half_flipped])
    def test_wrong_labels_surprise_the_champion(self, seed: int, change: Change) -> None:
        surprise, _ = found(split_of(seed), split_of(seed + 100, change))
        assert isinstance(surprise, Surprise)
        assert surprise.is_suspect
        assert surprise.own_rows == 120
        assert "rows by cross-validation (p = " in surprise.sentence

    def test_they_do_so_where_rows_cannot_but_repeat(self, seed: int) -> None:
        """Of few values nearly every row was learnt from, and the rest is what is odd."""
        own = split_of(seed, rows=600, digits=0)
        assert not is_surprised(own, split_of(seed + 100, rows=600, digits=0))
        assert is_surprised(own, split_of(seed + 100, exchanged, rows=600, digits=0))

    def test_a_column_that_knows_the_answer_is_found(self, seed: int) -> None:
        leaks = found(split_of(seed), split_of(seed + 100, leaking))[1]
        assert leaks is not None
        assert [leak.feature for leak in leaks.found] == ["weak"]
        assert "weak alone tells " in leaks.sentence
        assert "does a column know the answer" in leaks.sentence

    @pytest.mark.parametrize("change", [leaking_mostly, leaking_in_parts])
    def test_a_noisy_one_and_one_in_parts_are_found(self, seed: int, change: Change) -> None:
        """Among columns that tell little: what `strong` tells is noise here."""

        def also(features: pd.DataFrame, codes: Any, rng: np.random.Generator) -> tuple[pd.DataFrame, Any]:
            return change(blurred(features, codes, rng)[0], codes, rng)

        leaks = found(split_of(seed, blurred, rows=600), split_of(seed + 100, also, rows=600))[1]
        assert leaks is not None
        assert [leak.feature for leak in leaks.found] == [LEAKS_INTO[change]]
        assert found(split_of(seed, blurred, rows=600), split_of(seed + 100, blurred, rows=600))[1] is None

    def test_one_that_always_did_is_none(self, seed: int) -> None:
        assert found(split_of(seed, leaking), split_of(seed + 100, leaking))[1] is None


def test_a_table_that_grew_is_compared_on_what_is_new() -> None:
    own, more = split_of(1), split_of(2, rows=40)
    grown = Split(_joined(own.learned, more.learned), _joined(own.holdout, more.holdout))
    surprise = found(own, grown)[0]
    assert isinstance(surprise, Surprise)
    assert (surprise.rows, surprise.compared_on) == (24 + 40, "unseen rows")


def test_a_champion_that_knows_less_than_its_table_tells_is_not_surprised_by_a_sound_one() -> None:
    """Cross-validated on its own table it would seem better than it is."""
    own, new = split_of(1, rows=600), split_of(2, rows=600)
    blind = own.learned.features.assign(strong=0.0)
    model = LogisticRegression().fit(blind, own.learned.labels)
    surprise = Suspicion(tables_of(own, new), model, "ask").surprise()
    assert isinstance(surprise, Surprise)
    assert (surprise.own_by, surprise.is_suspect) == ("holdout", False)


def test_a_champion_is_cross_validated_on_its_own_table_once(monkeypatch: pytest.MonkeyPatch) -> None:
    validated = []

    def counted(model: Any, part: Part, seed: int) -> Any:
        validated.append(len(part) if isinstance(model, LogisticRegression) else 0)
        return cross_validated(model, part, seed)

    monkeypatch.setattr(suspicion, "cross_validated", counted)
    _, leaks = found(split_of(1, blurred, rows=600), split_of(101, leaking_in_parts, rows=450))
    assert leaks
    assert sorted(filter(None, validated)) == [450, 600]


def _joined(first: Part, second: Part) -> Part:
    features = pd.concat([first.features, second.features], ignore_index=True)
    return Part(features, pd.concat([first.labels, second.labels], ignore_index=True))


def test_with_too_few_rows_nothing_is_said_but_why() -> None:
    own = split_of(1)
    model = LogisticRegression().fit(own.learned.features, own.learned.labels)
    few = split_of(2, rows=10).learned
    none = np.zeros(len(own.learned), bool)
    tables = Tables(own.learned, few, none, none, np.zeros(len(few), bool))
    assert Suspicion(tables, model, "ask").surprise() == "fewer than 15 rows to ask the champion about"


def test_labels_that_are_probably_wrong_are_named_by_their_rows() -> None:
    parts = split_of(3, rows=300)
    part = _joined(parts.learned, parts.holdout)
    wrong = [5, 50, 100, 200]
    labels = part.labels.copy()
    labels[wrong] = np.array([{"a": "c", "b": "a", "c": "a"}[label] for label in labels[wrong]])
    order = np.random.default_rng(4).permutation(300)
    shuffled = Part(part.features.iloc[order], labels.iloc[order])
    doubts = doubts_about(shuffled, LogisticRegression(), np.arange(300) + 2, 1)
    assert doubts is not None
    assert {row + 2 for row in wrong} <= {each.row for each in doubts.worst}
    assert doubts.count <= 20
    first = doubts.worst[0]
    assert first.label_probability < 0.1 < 0.5 < first.likely_probability
    assert f"first those of rows {first.row}, " in doubts.sentence
