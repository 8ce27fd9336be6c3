"""What a model's files may say without any of it being run, and what they may not."""

from __future__ import annotations

import json
import operator
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.models import Model
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from iris_core.errors import ModelRefused
from iris_core.models.loading import check_place, estimator_of
from tests.touching import Touching

pytestmark = pytest.mark.unit

URI = "models:/m/1"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model's folder: np.abs of each feature, then logistic regression."""
    model = make_pipeline(FunctionTransformer(np.abs), LogisticRegression())
    model.fit(np.arange(8.0).reshape(4, 2), ["a", "a", "b", "b"])
    folder = tmp_path / "model"
    with warnings.catch_warnings(action="ignore"):
        mlflow.sklearn.save_model(
            model, folder, serialization_format="skops", pip_requirements=["scikit-learn"]
        )
    return folder


def load(folder: Path, *trusted: str, **flavor: Any) -> Any:
    flavors = Model.load(str(folder)).flavors
    flavors["sklearn"].update(flavor)
    with warnings.catch_warnings(action="ignore"):
        return estimator_of(folder, flavors, URI, trusted)


def refused(folder: Path, *trusted: str, **flavor: Any) -> str:
    with pytest.raises(ModelRefused) as caught:
        load(folder, *trusted, **flavor)
    message = str(caught.value)
    assert message.startswith(f"{URI} is refused: ")
    assert "\n" not in message
    return message


def renamed(folder: Path, module: str, name: str) -> None:
    """Let the file ask for another function instead of np.abs."""

    def changed(node: Any) -> Any:
        if isinstance(node, list):
            return [changed(each) for each in node]
        if not isinstance(node, dict):
            return node
        if node.get("__class__") == "absolute":
            return {**node, "__module__": module, "__class__": name}
        return {key: changed(value) for key, value in node.items()}

    path = folder / "model.skops"
    with zipfile.ZipFile(path) as file:
        content = {each: file.read(each) for each in file.namelist()}
    schema = json.loads(content["schema.json"])
    assert changed(schema) != schema
    with zipfile.ZipFile(path, "w") as file:
        for each, data in content.items():
            file.writestr(each, json.dumps(changed(schema)) if each == "schema.json" else data)


def test_what_skops_deems_safe_is_loaded(saved: Path) -> None:
    assert list(load(saved).predict([[0.0, 1.0], [6.0, 7.0]])) == ["a", "b"]


@pytest.mark.parametrize("written", ["pickle", "cloudpickle", "joblib", 7, ""])
def test_a_format_that_runs_code(saved: Path, tmp_path: Path, written: Any) -> None:
    ran = tmp_path / "ran"
    (saved / "model.skops").write_bytes(pickle.dumps(Touching(ran)))
    told = refused(saved, serialization_format=written)
    assert f"in the format '{written}', which runs code" in told
    assert "serialization_format='skops'" in told
    assert not ran.exists()


def test_a_pickle_that_calls_itself_skops(saved: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (saved / "model.skops").write_bytes(pickle.dumps(Touching(ran)))
    assert "cannot be read as a skops file (BadZipFile" in refused(saved)
    assert not ran.exists()


def test_no_format_said_is_a_pickle(saved: Path) -> None:
    flavors = Model.load(str(saved)).flavors
    del flavors["sklearn"]["serialization_format"]
    with pytest.raises(ModelRefused, match="in the format 'pickle'"):
        estimator_of(saved, flavors, URI)


@pytest.mark.parametrize("trusted_by_itself", [None, ["os.system"]])
def test_a_function_that_is_not_trusted(saved: Path, trusted_by_itself: Any) -> None:
    renamed(saved, "os", "system")
    told = refused(saved, skops_trusted_types=trusted_by_itself)
    assert "holds types that are not known to be safe to load: 'os.system'. " in told
    assert "TRUSTED_MODEL_TYPES=os.system; if not, stage another version (iris rollback)" in told


def test_a_function_that_the_deployment_trusts(saved: Path) -> None:
    renamed(saved, "operator", "abs")
    assert "'operator.abs'" in refused(saved, "operator.neg")
    assert load(saved, "operator.abs")[0].func is operator.abs


def test_what_is_no_name_is_not_offered_for_copying(saved: Path) -> None:
    renamed(saved, "os;rm -rf /\n", "system")
    assert "TRUSTED_MODEL_TYPES" not in refused(saved)


@pytest.mark.parametrize("named", ["../../../etc/passwd", "/etc/passwd", "nothing.skops", "", None])
def test_a_file_outside_the_model(saved: Path, named: Any) -> None:
    assert "which is no file of it" in refused(saved, pickled_model=named)


@pytest.mark.parametrize("flavors", [{}, {"python_function": {}}, {"sklearn": "pickle"}])
def test_another_flavour(saved: Path, flavors: dict[str, Any]) -> None:
    with pytest.raises(ModelRefused, match="no scikit-learn model"):
        estimator_of(saved, flavors, URI)


@pytest.mark.parametrize(
    "place",
    [
        "mlflow-artifacts:/1/models/m-1/artifacts",
        "mlflow-artifacts://mlflow:5000/1/models/m-1/artifacts",
        "s3://mlflow/artifacts/1",
        "/srv/mlruns/1/artifacts",
    ],
)
def test_files_of_this_registry(place: str) -> None:
    check_place(place, URI, "http://mlflow:5000")


@pytest.mark.parametrize(
    "place",
    [
        "mlflow-artifacts://elsewhere.example:80/1",
        "http://elsewhere.example/model",
        "ftp://user:secret@elsewhere.example/model",
        "dbfs:/model",
        "models:/other/1",
    ],
)
def test_files_of_somebody_else(place: str) -> None:
    with pytest.raises(ModelRefused, match="not with the registry http://mlflow:5000") as caught:
        check_place(place, URI, "http://mlflow:5000")
    assert "secret" not in str(caught.value)
