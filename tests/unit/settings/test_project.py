"""`project.json`: another dataset is a change of this file, and a wrong one is told with file and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iris_core.errors import ConfigError
from iris_core.settings.project_files import PROJECT_FILE_VARIABLE, load_project
from iris_core.training.fitting import TrainingConfig

pytestmark = pytest.mark.unit

WINE: dict[str, Any] = {
    "name": "wine",
    "default_team": "cellar",
    "tags": ["wine"],
    "table": {
        "features": [
            {"name": "alcohol", "unit": "%", "min": 8.0, "max": 16.0},
            {"name": "malic_acid", "type": "number", "min": 0.1, "max": 8.0},
        ],
        "target": "cultivar",
        "classes": ["a", "b"],
        "min_rows": 50,
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """WINE with one value replaced; `path` like `table.features.0.min`."""
    content: dict[str, Any] = json.loads(json.dumps(WINE))
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    place: Any = content
    for part in parents:
        place = place[part]
    place[last] = value
    return content


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "project.json"


def refused(file: Path, content: object) -> str:
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_project(file)
    message = str(caught.value)
    assert message.startswith(str(file))
    assert message.endswith(".")
    return message.removeprefix(str(file))


def test_iris_is_the_reference_workload() -> None:
    project = load_project()
    assert (project.name, project.default_team) == ("iris", "team_a")
    assert project.table.feature_names == ("sepal_length", "sepal_width", "petal_length", "petal_width")
    assert project.table.target == "species"
    assert project.table.classes == ("setosa", "versicolor", "virginica")


def test_another_project(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(json.dumps(WINE), encoding="utf-8")
    monkeypatch.setenv(PROJECT_FILE_VARIABLE, str(file))
    project = load_project()
    assert project.name == "wine"
    assert project.dag_directory == "dags"
    assert project.table.feature_names == ("alcohol", "malic_acid")
    assert project.table.features[0].unit == "%"
    assert project.table.min_rows == 50


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("name", "Wine", "name"),
        ("default_team", "", "default_team"),
        ("colour", "red", "colour"),
        ("table.features", [], "table.features"),
        ("table.features.0.min", "low", "table.features.0.min"),
        ("table.features.0.min", 16.0, "not below max"),
        ("table.features.0.type", "text", "table.features.0.type"),
        ("table.features.1.name", "", "table.features.1.name"),
        ("table.features.1.name", "alcohol", "distinct"),
        ("table.target", "alcohol", "distinct"),
        ("table.target", "id", "distinct"),
        ("table.key", "", "table.key"),
        ("table.classes", ["a"], "table.classes"),
        ("table.classes", ["a", "a"], "distinct"),
        ("table.min_rows", 9, "table.min_rows"),
    ],
)
def test_a_wrong_field_is_named(file: Path, path: str, value: object, where: str) -> None:
    assert where in refused(file, changed(path, value))


def test_a_missing_file_says_what_it_is_for(file: Path) -> None:
    with pytest.raises(ConfigError, match=f"{file} is missing.*{PROJECT_FILE_VARIABLE}"):
        load_project(file)


def test_a_byte_order_mark_is_read_over(file: Path) -> None:
    file.write_text(json.dumps(WINE), encoding="utf-8-sig")
    assert load_project(file).name == WINE["name"]


def test_broken_json_names_the_line(file: Path) -> None:
    assert ", line 2: not JSON" in refused(file, '{"name": "wine",\n oops}')


@pytest.mark.parametrize("inner", ['"name": "wine", "name": "beer"', '"table": {"name": 1, "name": 1}'])
def test_a_key_that_stands_twice_is_named(file: Path, inner: str) -> None:
    assert refused(file, f"{{{inner}}}").endswith("'name' stands 2 times in one object. Keep one of them.")


@pytest.mark.parametrize("path", ["table.target", "table.key"])
def test_a_name_that_profiles_need_is_refused(file: Path, path: str) -> None:
    assert "'__holdout' is the name of a column of model profiles" in refused(
        file, changed(path, "__holdout")
    )


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_class_without_a_name_is_refused(file: Path, blank: str) -> None:
    told = refused(file, changed("table.classes", ["red", blank]))
    assert "every class needs a name, since an empty cell is no label" in told


@pytest.mark.parametrize("content", [[], "null", 7])
def test_json_that_is_no_object(file: Path, content: object) -> None:
    assert "the file" in refused(file, content)


def test_another_key_is_no_other_training() -> None:
    """Labels are joined by it; what is learned stays the same, so nothing is trained again."""
    table = load_project().table
    other = table.model_copy(update={"key": "flower"})
    assert TrainingConfig(table=other).variant == TrainingConfig(table=table).variant
