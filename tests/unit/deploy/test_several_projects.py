"""What is made for a deployment is made for all of its projects, and a broken one holds nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.buckets import ensure_buckets
from deploy.policies import Policy, pipeline_policy, upload_policy
from deploy.provisioning import sound_projects
from iris_core.errors import ConfigError
from iris_core.ledger.workspace import Workspace
from iris_core.settings.project_files import load_project, shipped_file

IRIS = load_project(shipped_file()).model_dump(mode="json")


def write(file: Path, **changes: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**IRIS, **changes}), encoding="utf-8")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Iris, wine in the same bucket, and another team's iris."""
    write(tmp_path / "project.json")
    write(tmp_path / "projects" / "theirs.json", default_team="team_b")
    write(tmp_path / "projects" / "wine.json", name="wine")
    return {"IRIS_PROJECT_FILE": str(tmp_path)}


def allowed(policy: Policy, action: str) -> set[str]:
    return {
        resource.removeprefix("arn:aws:s3:::")
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow" and action in statement["Action"]
        for resource in statement["Resource"]
    }


@pytest.mark.unit
def test_rights_reach_every_project_s_places_and_no_other(environ: dict[str, str]) -> None:
    projects, left_out = sound_projects(environ)
    assert left_out == ""
    written = allowed(pipeline_policy(*projects), "s3:PutObject")
    assert written >= {"team-a-bucket/ledger/*", "team-b-bucket/ledger/*"}
    assert written >= {f"team-a-bucket/{name}/predictions/*" for name in ("iris", "wine")}
    assert "team-b-bucket/wine/predictions/*" not in written
    assert allowed(upload_policy(*projects), "s3:PutObject") == {
        *(f"team-a-bucket/{name}/{name}_{of}.csv" for name in ("iris", "wine") for of in ("train", "test")),
        *(f"team-b-bucket/iris/iris_{of}.csv" for of in ("train", "test")),
        *("team-a-bucket/iris/labels/*", "team-a-bucket/wine/labels/*", "team-b-bucket/iris/labels/*"),
    }


@pytest.mark.unit
def test_a_broken_project_is_left_out_and_told(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "projects" / "wine.json").write_text("{")
    projects, left_out = sound_projects(environ)
    assert [one.team for one in projects] == ["team_a", "team_b"]
    assert left_out.startswith(f"left out: {tmp_path}/projects/wine.json, line 1: not JSON")


@pytest.mark.unit
def test_without_a_sound_project_there_is_nothing_to_do(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"^PLATFORM_ENV=X Y"):
        sound_projects({**environ, "PLATFORM_ENV": "X Y"})


@pytest.mark.integration
def test_buckets_and_lifecycle_rules_of_all(workspace: Workspace, tmp_path: Path) -> None:
    own = {"TEAM_PREDICTIONS_PREFIX": "w/out"}
    team = workspace.settings.team
    write(tmp_path / "project.json")
    write(tmp_path / "projects" / "wine.json", name="wine", default_team=team, settings=own)
    write(tmp_path / "projects" / "theirs.json", default_team=f"{team}x")
    projects, _ = sound_projects({"IRIS_PROJECT_FILE": str(tmp_path), "TEAM": team})
    buckets = [f"{team.replace('_', '-')}-bucket", f"{team.replace('_', '-')}x-bucket"]
    for _ in range(2):
        assert ensure_buckets(workspace.store, *projects) == [*buckets, "mlflow"]
    rules = workspace.store.admin.get_bucket_lifecycle(buckets[0])
    assert rules
    names = [str(rule.rule_id) for rule in rules.rules]
    assert len(names) == len({*names})
    assert {"iris-iris-predictions", "iris-w-out", "iris-work"} <= {*names}
