"""Rows of every kind of feature: decided as `predict` does, set apart where a cell cannot be used."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import polars as pl
import pytest

from iris_core.models.decide import Decider
from iris_core.models.holdout import training_table
from iris_core.scoring.counts import Counts
from iris_core.scoring.engine import score_table
from iris_core.scoring.output import Options, Scoring
from iris_core.settings.project import ModelChoice
from iris_core.tables import MemoryInput, Wanted, read
from iris_core.training.fitting import TrainingConfig, fit
from tests.kinds import PROJECT, as_csv, homes

pytestmark = pytest.mark.unit

TABLE = PROJECT.table
NAMES = TABLE.feature_names


def model(estimator: str | None = None, seed: int = 1) -> Any:
    choice = ModelChoice(estimator=estimator) if estimator else None
    config = TrainingConfig.of(PROJECT.model_copy(update={"model": choice}))
    return fit(training_table(MemoryInput(as_csv(homes(500, seed)), "t"), TABLE).frame, config).pipeline


def features(data: bytes) -> pl.DataFrame:
    wanted = Wanted(NAMES, kinds=TABLE.kinds)
    return pl.concat(batch.features for batch in read(MemoryInput(data, "t"), wanted).batches())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "kind",
    [None, "sklearn.linear_model.SGDClassifier", "sklearn.svm.LinearSVC", "sklearn.linear_model.Perceptron"],
)
def test_a_linear_model_is_an_expression_that_decides_as_it_does(kind: str | None, seed: int) -> None:
    fitted = model(kind, seed)
    decider = Decider(fitted, NAMES)
    assert decider.linear is not None
    rows = features(as_csv(homes(3_000, 100 + seed, has_unseen=True)))
    found = [decider.classes[code] for code in decider.decide(rows).codes]
    assert found == fitted.predict(rows.to_pandas()).tolist()
    _, close = decider.linear.decide(rows)
    assert len(close) < 30, "nearly all rows are decided by the expression"


def test_a_column_that_is_missing_altogether_is_decided() -> None:
    fitted = model()
    decider = Decider(fitted, NAMES)
    rows = features(as_csv(homes(200, 7))).with_columns(age=pl.lit(float("nan")))
    found = [decider.classes[code] for code in decider.decide(rows).codes]
    assert found == fitted.predict(rows.to_pandas()).tolist()


def test_another_encoder_is_asked() -> None:
    fitted = model()
    encoder = fitted[0].named_transformers_["levels"]
    encoder.categories_[0] = encoder.categories_[0][::-1].copy()
    assert Decider(fitted, NAMES).linear is None


def test_a_tree_is_asked() -> None:
    fitted = model("sklearn.tree.DecisionTreeClassifier")
    rows = features(as_csv(homes(500, 9, has_unseen=True)))
    decider = Decider(fitted, NAMES)
    assert decider.linear is None
    assert (
        np.array(decider.classes)[decider.decide(rows).codes].tolist()
        == fitted.predict(rows.to_pandas()).tolist()
    )


def scored(data: bytes, **options: Any) -> tuple[bytes, list[str], Counts]:
    out, rejects = io.BytesIO(), io.BytesIO()
    how = Scoring(Decider(model(), NAMES), TABLE, Options("1", **options))
    counts = score_table(MemoryInput(data, "t"), how, out, rejects).counts
    return out.getvalue(), rejects.getvalue().decode().splitlines()[1:], counts


HEADER = b"size,rooms,city,pet,colour,age,insured\n"


def test_rows_are_refused_by_what_their_kind_expects() -> None:
    good = b"60,3,Ulm,yes,red,40,no\n60,3,,1,NA,,\n60,3,Paris,0,red,NA,yes\n"
    bad = b"60,3.5,Ulm,yes,red,40,no\n60,3,Ulm,maybe,red,40,no\n60,3,Ulm,yes,blue,40,no\n"
    bad += b"60,3,Ulm,yes,red,old,no\n"
    out, rejects, counts = scored(HEADER + good + bad + b",3,Ulm,yes,red,40,no\n60,3,Ulm,,red,40,no\n")
    assert (counts.rows, counts.rejected) == (3, 6)
    assert out.splitlines()[2].startswith(b"60,3,,1,NA,,,"), "a row keeps its bytes"
    assert rejects == [
        '5,rooms,"not a number, expected a whole number",3.5',
        '6,pet,"unknown level, expected true or false (yes or no, 1 or 0)",maybe',
        "7,colour,\"unknown level, expected 'NA', 'red', 'a,b' or 'q\"\"x'\",blue",
        '8,age,"not a number, expected a number",old',
        '9,size,"missing, expected a number",""',
        '10,pet,"missing, expected true or false (yes or no, 1 or 0)",""',
    ]


def test_text_that_a_category_takes_is_defused() -> None:
    out, rejects, _ = scored(HEADER + b"60,3,=HYPERLINK(1),yes,red,40,no\n", csv_safe=True)
    assert rejects == []
    assert out.splitlines()[1].startswith(b"60,3,'=HYPERLINK(1),yes,red,40,no,")


def test_parquet_predictions_keep_text_and_missing_values() -> None:
    out, _, _ = scored(as_csv(homes(50, 3, has_unseen=True)), format="parquet")
    frame = pl.read_parquet(io.BytesIO(out))
    assert frame["colour"].to_list() == homes(50, 3, has_unseen=True)["colour"].to_list()
    assert frame["age"].dtype == pl.Float64
    assert frame["age"].null_count() == sum(cell == "" for cell in homes(50, 3, has_unseen=True)["age"])
