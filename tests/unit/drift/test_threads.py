"""Linear algebra of small tables stays on one thread."""

from __future__ import annotations

import subprocess
import sys

import pytest

SAID = """
import os
import numpy, sklearn.linear_model, sklearn.model_selection
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info
from iris_core.drift.threads import one_thread

def threads():
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}

before = threads()
with one_thread():
    few = threads()
print(before, few, threads())
"""
WATCHED = """
import numpy as np, pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from threadpoolctl import threadpool_info
from iris_core.models.holdout import Part
from iris_core.promotion.floor import cross_validated

class Watched(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        print(*{found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"})
        return self
    def predict(self, X):
        return np.full(len(X), self.classes_[0])

labels = pd.Series(["a", "b"] * 10)
cross_validated(Watched(), Part(pd.DataFrame({"x": range(20)}), labels), 7)
"""


def _said(code: str) -> list[str]:
    environ = {"OPENBLAS_NUM_THREADS": "2", "PATH": ""}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    return ran.stdout.split("\n")


@pytest.mark.integration
def test_a_block_has_one_thread() -> None:
    assert _said(SAID)[0] == "{2} {1} {2}"


@pytest.mark.integration
def test_the_gates_clones_are_fitted_on_one_thread() -> None:
    assert _said(WATCHED)[:-1] == ["1"] * 5
