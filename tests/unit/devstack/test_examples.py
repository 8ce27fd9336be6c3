"""The demo's tables: each fits its project.json, each seed gives others, and the shifted one drifts."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.examples import Example, example_of
from iris_core.drift.known import Known
from iris_core.drift.sides import judged, read_side
from iris_core.errors import ConfigError
from iris_core.settings.project import Project
from iris_core.settings.project_files import load_project
from iris_core.tables import MemoryInput
from iris_core.training.validation import validate_training

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
PROJECTS = {
    "iris": load_project(ROOT / "project.json"),
    "penguins": load_project(ROOT / "projects/penguins/project.json"),
}


def severity(example: Example, project: Project, data: bytes) -> str:
    old, new = (read_side(MemoryInput(one, "t"), project.table) for one in (example.training, data))
    return judged(old, new, project.table, Known()).severity


@pytest.mark.parametrize("project", PROJECTS.values(), ids=PROJECTS)
@pytest.mark.parametrize("seed", range(5))
def test_a_table_is_what_its_project_says_and_the_shifted_one_drifts(project: Project, seed: int) -> None:
    example = example_of(project, seed)
    found = validate_training(MemoryInput(example.training, "t"), project.table)
    assert found.rows == example.rows[0]
    assert severity(example, project, example.inference) in ("none", "low")
    assert severity(example, project, example.shifted) == "high"
    assert example_of(project, seed + 1).training != example.training


def test_another_table_is_told() -> None:
    project = PROJECTS["penguins"]
    other = project.model_dump()
    other["table"]["features"][1]["name"] = "wing_mm"
    with pytest.raises(ConfigError, match="describes wing_mm, which the penguins do not have"):
        example_of(Project.model_validate(other), 1)
