"""Four projects side by side in one Airflow, each through the whole loop, none crossing another.

Iris; the penguins; breast cancer (two classes, 30 features, its project.json as `iris init` proposes it, with
settings of its own, for another team); and a generated table of 20 features: categories with undeclared
levels, two with levels that are learnt, missing values, classes of 95 and 5 %, gradient boosting.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from devstack.examples import example_of
from devstack.home import Home
from devstack.stack import Stack
from iris_core import models
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.ledger import Kind, Record
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import access_from_settings, open_workspace
from iris_core.settings.project_files import load_project, shipped_file
from iris_core.tables import MemoryInput
from iris_core.trial import propose
from tests.e2e.conftest import PATIENCE_S, Running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_200)]

ROOT = Path(__file__).parents[2]
NAMES = ("iris", "penguins", "cancer", "incomes")
INCOMES = 2_000
BOUND_S = 480.0
"""Four loops at once, twice as long as one has elsewhere."""


@dataclass(frozen=True)
class Tables:
    """A project's file, and its tables to train on and to score."""

    project: dict[str, Any]
    training: bytes
    inference: bytes


def shipped(path: Path) -> Tables:
    project = load_project(path)
    example = example_of(project, seed=5)
    return Tables(json.loads(path.read_text()), example.training, example.inference)


def cancer() -> Tables:
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer(as_frame=True)
    names = pl.Series(found.target_names)
    frame = pl.from_pandas(found.data).with_columns(diagnosis=names.gather(pl.Series(found.target)))
    frame = frame.sample(fraction=1, shuffle=True, seed=1)
    training, inference = frame[:450].write_csv().encode(), frame[450:].write_csv().encode()
    project = propose(MemoryInput(training, "cancer.csv"), "diagnosis", "cancer").project
    own = {"default_team": "clinic", "settings": {"ACCURACY_THRESHOLD": 0.8}}
    return Tables({**project, **own}, training, inference)


def incomes(rows: int, seed: int) -> pl.DataFrame:
    """Twelve numbers and eight categories, some of them missing; one row in twenty is of the class `>50K`."""
    draw = np.random.default_rng(seed)
    numbers = {f"n{place}": draw.normal(place, 1 + place, rows).round(3) for place in range(12)}
    codes = {f"c{place}": draw.integers(0, 3 + place, rows) for place in range(8)}
    score = numbers["n0"] + (numbers["n1"] - 1) / 2 + 2.0 * (codes["c0"] == 1) + (codes["c3"] == 2)
    frame = pl.DataFrame(
        {**numbers, **{name: [f"{name}-{code}" for code in found] for name, found in codes.items()}}
    )
    frame = frame.with_columns(
        income=pl.Series(np.where(score > np.quantile(score, 0.95), ">50K", "<=50K")),
    )
    gone = [pl.Series(draw.random(rows) < 0.05) for _ in range(2)]
    return frame.with_columns(n2=pl.when(~gone[0]).then("n2"), c2=pl.when(~gone[1]).then("c2"))


def generated() -> Tables:
    training = incomes(INCOMES, 1).write_csv().encode()
    project = propose(MemoryInput(training, "incomes.csv"), "income", "incomes").project
    project["model"] = {
        "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
        "parameters": {"max_iter": 20, "max_leaf_nodes": 7},
        "class_weights": "balanced",
    }
    for feature in project["table"]["features"]:
        if feature["name"] in ("c2", "c4"):
            del feature["levels"]
    new = incomes(1_000, 2)
    rare = pl.Series(np.random.default_rng(3).random(new.height) < 0.01)
    new = new.with_columns(c1=pl.when(rare).then(pl.lit("never seen")).otherwise("c1"))
    return Tables(project, training, new.write_csv().encode())


@pytest.fixture(scope="module")
def four() -> dict[str, Tables]:
    return {
        "iris": shipped(shipped_file()),
        "penguins": shipped(ROOT / "projects/penguins/project.json"),
        "cancer": cancer(),
        "incomes": generated(),
    }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, four: dict[str, Tables]) -> Iterator[Stack]:
    """A stack with four projects and a broken file, which holds none of them."""
    folder = tmp_path_factory.mktemp("four projects")
    (folder / "projects").mkdir()
    for name, tables in four.items():
        place = folder / "project.json" if name == "iris" else folder / "projects" / f"{name}.json"
        place.write_text(json.dumps(tables.project))
    (folder / "projects" / "broken.json").write_text('{"name": "broken"}')
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IRIS_PORT")}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("IRIS_PROJECT_FILE", str(folder / "project.json"))
        found = Stack(Home(folder / "home"), {**inherited, "IRIS_PROJECT_FILE": str(folder / "project.json")})
        try:
            found.up()
            yield found
        finally:
            found.down()


@pytest.fixture(scope="module")
def each(stack: Stack) -> dict[str, Running]:
    assert stack.state
    airflow = AirflowApi(stack.state.endpoints["airflow"], patience_s=PATIENCE_S)
    return {
        one.project.name: Running(stack, open_workspace(one, access_from_settings(one)), airflow)
        for one in stack.deployment.projects
    }


def newest(running: Running, kind: Kind) -> Record | None:
    return next(running.workspace.ledger.recent(kind), None)


def test_each_goes_through_the_whole_loop(each: dict[str, Running], four: dict[str, Tables]) -> None:
    assert {*each} == {*NAMES}
    for name, running in each.items():
        running.train(four[name].training)
    for name, running in each.items():
        running.wait(f"a model of {name}", partial(newest, running, "promotion"), BOUND_S)
        running.score(four[name].inference)
    for name, running in each.items():
        drift = running.wait(f"drift of {name}", partial(newest, running, "drift"), BOUND_S)
        assert drift.outcome in ("none", "low"), (name, drift.reason)


@pytest.mark.parametrize("name", NAMES)
def test_none_crosses_another(each: dict[str, Running], four: dict[str, Tables], name: str) -> None:
    running = each[name]
    settings, ledger = running.workspace.settings, running.workspace.ledger
    [trained] = ledger.recent_of(TrainedRecord)
    [scored] = ledger.recent_of(ScoredRecord)
    assert trained.about.key == settings.train_key
    assert scored.about.key == settings.test_key
    assert scored.evidence.rows == len(pl.read_csv(io.BytesIO(four[name].inference), infer_schema=False))
    assert scored.evidence.rejected == 0
    staged = models.staged(settings)
    assert staged is not None
    assert (staged.name, staged.training) == (settings.names.model, trained.identity.path)
    kinds: tuple[Kind, ...] = ("training", "promotion", "scoring", "drift")
    dags = {record.by.dag_id for kind in kinds for record in ledger.recent(kind)}
    assert dags == {settings.names.training_dag, settings.names.inference_dag, settings.names.drift_dag}


def test_settings_are_a_projects_own(each: dict[str, Running]) -> None:
    limits = {name: running.workspace.settings.accuracy_threshold for name, running in each.items()}
    assert limits == {"iris": 0.1, "penguins": 0.1, "cancer": 0.8, "incomes": 0.1}
    assert each["cancer"].workspace.settings.bucket == "clinic-bucket"
    [verdict] = each["cancer"].workspace.ledger.recent_of(VerdictRecord)
    assert "ACCURACY_THRESHOLD=0.8" in verdict.reason


def test_a_broken_file_is_one_import_error(stack: Stack, each: dict[str, Running]) -> None:
    [error] = each["iris"].airflow.import_errors().values()
    assert "broken.json" in error
    assert len(each["iris"].airflow.dag_ids()) == 12
