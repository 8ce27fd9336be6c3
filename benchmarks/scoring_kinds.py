"""The part of bench-scoring about features of every kind: one-hot linear models, and gradient boosting.

A table of three numbers (one of them sometimes missing), a truth value, and two categories, with undeclared
levels. The baseline is what one would write with pandas in chunks around the same fitted pipeline: text is
mapped to codes, predicted, written.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

from iris_core.settings.project import Project

GENERATED_ROWS, CHUNK = 500_000, 200_000
PLANS, CITIES = [f"plan {number}" for number in range(5)], [f"city {number}" for number in range(30)]
ESTIMATORS = {
    "one_hot_linear": None,
    "gradient_boosting": {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier"},
}
PROJECT = Project.model_validate(
    {
        "name": "kinds",
        "default_team": "bench",
        "table": {
            "features": [
                {"name": "income", "min": 0, "max": 400},
                {"name": "rooms", "type": "integer", "min": 0, "max": 30},
                {"name": "age", "min": 0, "max": 120, "missing": "impute"},
                {"name": "insured", "type": "boolean"},
                {"name": "plan", "type": "category", "levels": PLANS, "missing": "impute"},
                {"name": "city", "type": "category", "levels": CITIES, "unseen": "other"},
            ],
            "target": "churned",
            "classes": ["no", "yes"],
        },
    }
)
NAMES = list(PROJECT.table.feature_names)


def generate(path: Path, rows: int, seed: int = 1) -> None:
    """Write the table, with its target and a text."""
    import numpy as np
    import polars as pl

    draw = np.random.default_rng(seed)
    with path.open("wb") as file:
        for start in range(0, rows, GENERATED_ROWS):
            count = min(GENERATED_ROWS, rows - start)
            income, plan = draw.gamma(4, 12, count).round(2), draw.integers(0, 5, count)
            city = draw.integers(0, 32, count)
            score = (income - 48) / 20 + 0.6 * plan - 1.2 + draw.normal(0, 1, count)
            frame = pl.DataFrame(
                {
                    "income": income,
                    "rooms": draw.integers(1, 9, count),
                    "age": pl.Series(draw.normal(45, 12, count).round(1)).set(
                        pl.Series(draw.random(count) < 0.1), None
                    ),
                    "insured": np.where(draw.random(count) < 0.6, "yes", "no"),
                    "plan": pl.Series(np.array([*PLANS])[plan]).set(
                        pl.Series(draw.random(count) < 0.05), None
                    ),
                    "city": [f"city {number}" for number in city],
                    "churned": np.where(score > 0, "yes", "no"),
                    "note": "text",
                }
            )
            file.write(frame.write_csv(include_header=start == 0).encode())


def fit(folder: Path) -> None:
    """The pipelines that the training DAG makes of such a table."""
    from iris_core.models.holdout import training_table
    from iris_core.settings.project import ModelChoice
    from iris_core.tables import LocalInput
    from iris_core.training.fitting import TrainingConfig
    from iris_core.training.fitting import fit as fitted

    source = folder / "kinds_train.csv"
    generate(source, 20_000, seed=2)
    frame = training_table(LocalInput(source), PROJECT.table).frame
    for name, model in ESTIMATORS.items():
        choice = ModelChoice.model_validate(model) if model else None
        config = TrainingConfig.of(PROJECT.model_copy(update={"model": choice}))
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(fitted(frame, config).pipeline))


def coded(frame: Any) -> Any:
    """The features of a pandas frame of text and numbers as the pipeline takes them."""
    import pandas as pd

    found = frame[NAMES].copy()
    found["insured"] = (found["insured"] == "yes").astype(float)
    plans = pd.Categorical(found["plan"], PLANS).codes.astype(float)
    plans[plans < 0] = float("nan")
    cities = pd.Categorical(found["city"], CITIES).codes.astype(float)
    cities[cities < 0] = float(len(CITIES))
    return found.assign(plan=plans, city=cities)


def pandas_kinds(given: dict[str, Any], model: Any) -> int:
    """The baseline: pandas in chunks."""
    import pandas as pd

    rows = 0
    with Path(given["out"]).open("w") as out:
        for frame in pd.read_csv(given["source"], chunksize=CHUNK):
            frame["prediction"] = model.predict(coded(frame))
            frame.to_csv(out, index=False, header=rows == 0)
            rows += len(frame)
    return rows


def ours_kinds(given: dict[str, Any], model: Any) -> int:
    """The engine."""
    from iris_core.models.decide import Decider
    from iris_core.scoring.engine import score_table
    from iris_core.scoring.output import Options, Scoring
    from iris_core.tables import LocalInput

    how = Scoring(Decider(model, NAMES), PROJECT.table, Options("1"))
    with Path(given["out"]).open("wb") as out:
        return score_table(LocalInput(Path(given["source"])), how, out, io.BytesIO()).counts.rows


def mismatches(ours: Path, theirs: Path) -> int:
    """Rows whose prediction is not the baseline's."""
    import pandas as pd

    one, other = (pd.read_csv(path, usecols=["prediction"])["prediction"] for path in (ours, theirs))
    return int((one.to_numpy() != other.to_numpy()).sum()) if len(one) == len(other) else len(one)
