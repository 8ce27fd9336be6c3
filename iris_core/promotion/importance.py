"""Which features a model's answers rest on: permutation importance on its holdout.

Breiman, Machine Learning 45 (2001) 5; scikit-learn's `sklearn.inspection.permutation_importance`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iris_core.drift.threads import one_thread
from iris_core.ledger.records.gate import Importance, Importances
from iris_core.promotion.answers import answers_of
from iris_core.promotion.floor import bounded
from iris_core.promotion.scores import score_of
from iris_core.settings.project import Metric

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import ClassifierMixin

    from iris_core.models.holdout import Part

REPEATS = 5
LEAST_ROWS, MOST_ROWS = 100, 2_000
"""Of a larger holdout a sample is taken: more rows cost more than the rest of the gate, and change little."""
MOST_ANSWERS = 1_000_000
"""Of all features and repeats together: a table of many columns is asked about on fewer rows."""
LISTED = 50


def importance_of(metric: Metric, model: ClassifierMixin, holdout: Part, seed: int) -> Importances:
    """Measure how much the score falls if one feature's values are shuffled over the holdout's rows.

    Features that say the same share their importance, and each may look unimportant.

    :param metric: the declared one.
    :param model: the fitted model.
    :param holdout: rows that it was not trained on.
    :param seed: of the sample of rows, and of the shuffling.
    """
    from sklearn.inspection import permutation_importance

    def score(asked: ClassifierMixin, features: pd.DataFrame, labels: pd.Series[str]) -> float:
        truth = labels.to_numpy(str)
        return score_of(metric, truth, answers_of(asked, features, truth, metric))

    most = max(LEAST_ROWS, min(MOST_ROWS, MOST_ANSWERS // (REPEATS * holdout.features.shape[1])))
    rows = bounded(holdout, seed, most)
    with one_thread():
        found = permutation_importance(
            model, rows.features, rows.labels, scoring=score, n_repeats=REPEATS, random_state=seed
        )
    each = zip(rows.features.columns, found.importances_mean, found.importances_std, strict=True)
    listed = [Importance(name=str(name), mean=float(mean), std=float(std)) for name, mean, std in each]
    listed.sort(key=lambda one: -one.mean)
    left = max(0, len(listed) - LISTED)
    return Importances(rows=len(rows), repeats=REPEATS, features=tuple(listed[:LISTED]), left_out=left)
