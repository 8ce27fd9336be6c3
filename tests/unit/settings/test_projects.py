"""Several projects in one deployment: their files, names and places, and the values of variables."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iris_core.errors import ConfigError
from iris_core.settings.project_files import load_project, project_paths, shipped_file
from iris_core.settings.projects import SHARED, Deployment
from iris_core.settings.variables import Settings, load_deployment, load_settings

pytestmark = pytest.mark.unit

IRIS = load_project(shipped_file()).model_dump(mode="json")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write("projects/wine.json", name="wine")`: a file like that of iris but for what is given."""

    def write(path: str, **changes: Any) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**IRIS, **changes}), encoding="utf-8")
        return file

    return write


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    """Iris, and the projects penguins (with a setting) and wine beside it."""
    write("project.json")
    write("projects/penguins.json", name="penguins", settings={"ACCURACY_THRESHOLD": 0.8})
    write("projects/wine.json", name="wine", default_team="cellar")
    return tmp_path


def deployed(folder: Path, **environ: str) -> Deployment:
    return load_deployment({"IRIS_PROJECT_FILE": str(folder / "project.json"), **environ})


def project(folder: Path, name: str = "", **environ: str) -> Settings:
    return deployed(folder, **environ).named(name)


def refused(folder: Path, name: str = "", **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        project(folder, name, **environ)
    return str(caught.value)


class TestFiles:
    def test_of_a_folder_project_json_comes_first(self, folder: Path, write: Write) -> None:
        write("another.json", name="another")
        (folder / ".hidden.json").write_text("{}")
        (folder / "notes.txt").write_text("no project")
        names = ["project.json", "projects/penguins.json", "projects/wine.json", "another.json"]
        assert project_paths(str(folder)) == tuple(folder / name for name in names)

    def test_of_a_folder_without_one_the_first_by_name(self, folder: Path) -> None:
        found = project_paths(str(folder / "projects"))
        assert [file.name for file in found] == ["penguins.json", "wine.json"]

    @pytest.mark.parametrize("between", [",", ":", " , "])
    def test_several_in_the_order_in_which_they_are_named(self, folder: Path, between: str) -> None:
        files = [folder / "projects" / name for name in ("wine.json", "penguins.json")]
        assert project_paths(between.join(map(str, files))) == tuple(files)

    def test_a_file_with_a_comma_or_colon_in_its_name(self, write: Write) -> None:
        file = write("a, b: c.json")
        assert project_paths(str(file)) == (file,)

    def test_a_file_and_a_folder_and_no_file_twice(self, folder: Path) -> None:
        found = project_paths(f"{folder / 'projects' / 'wine.json'},{folder / 'projects'},{folder}")
        assert [file.name for file in found] == ["wine.json", "penguins.json", "project.json"]

    def test_beside_a_file_of_another_name_there_is_nothing(self, folder: Path, write: Write) -> None:
        file = write("mine.json")
        assert project_paths(str(file)) == (file,)

    def test_an_empty_folder_says_what_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=rf"^IRIS_PROJECT_FILE: the folder {tmp_path} holds no project"):
            project_paths(str(tmp_path))

    @pytest.mark.parametrize("named", [",", "a.json," * 500])
    def test_odd_lists_name_a_missing_file(self, named: str) -> None:
        with pytest.raises(ConfigError, match="is missing"):
            load_settings({"IRIS_PROJECT_FILE": named})


class TestNames:
    def test_the_default_project_keeps_its_own(self, folder: Path) -> None:
        alone, beside = load_settings({}), project(folder)
        assert beside.names == alone.names
        assert (beside.train_key, beside.bucket) == (alone.train_key, alone.bucket)
        assert beside.names.section == "dev"
        assert beside.command == "iris"

    def test_of_a_further_project(self, folder: Path) -> None:
        names = project(folder, "penguins", PLATFORM_ENV="prod").names
        assert names.training_dag == "team_a_prod_penguins_pipeline"
        assert names.model == "team_a_prod_penguins_model"
        assert names.asset("staged_model") == "team_a_prod_penguins_staged_model"
        assert names.section == "prod-penguins"

    def test_keys_and_buckets_of_a_further_project(self, folder: Path) -> None:
        wine = project(folder, "wine")
        assert wine.bucket == wine.predictions_bucket == "cellar-bucket"
        assert (wine.train_key, wine.test_key) == ("wine/wine_train.csv", "wine/wine_test.csv")
        assert wine.predictions_prefix == "wine/predictions"
        assert (wine.drift_prefix, wine.labels_prefix) == ("wine/drift", "wine/labels/")
        assert wine.command == "iris --project cellar_wine"

    def test_chosen_by_name_or_with_the_team_s(self, folder: Path) -> None:
        for name in ("wine", "cellar_wine", "WINE"):
            assert project(folder, name).project.name == "wine"

    def test_chosen_by_the_variable(self, folder: Path) -> None:
        file = str(folder / "project.json")
        assert load_settings({"IRIS_PROJECT_FILE": file, "IRIS_PROJECT": "wine"}).team == "cellar"
        assert load_settings({"IRIS_PROJECT_FILE": file}).team == "team_a"

    def test_an_unknown_one_lists_those_that_there_are(self, folder: Path) -> None:
        assert refused(folder, "whine") == "whine is the name of no project. Known: iris, penguins, wine."

    def test_two_teams_have_the_same_project(self, write: Write, tmp_path: Path) -> None:
        write("project.json")
        write("projects/b.json", default_team="team_b")
        both = deployed(tmp_path)
        assert not both.broken
        assert [one.bucket for one in both.projects] == ["team-a-bucket", "team-b-bucket"]
        assert both.named().team == "team_a"
        assert both.named("team_b_iris").names.training_dag == "team_b_dev_iris_pipeline"
        assert refused(tmp_path, "iris") == (
            "iris is the name of several projects. Known: team_a_iris, team_b_iris."
        )
        assert both.labels == ["team_a_iris", "team_b_iris"]
        threshold = {"ACCURACY_THRESHOLD__TEAM_B_IRIS": "0.7"}
        assert project(tmp_path, "team_b_iris", **threshold).accuracy_threshold == 0.7
        assert project(tmp_path, **threshold).accuracy_threshold == 0.1
        message = refused(tmp_path, ACCURACY_THRESHOLD__IRIS="0.7")
        assert "ACCURACY_THRESHOLD__TEAM_A_IRIS or ACCURACY_THRESHOLD__TEAM_B_IRIS" in message


class TestPrecedence:
    def test_the_file_then_the_variable_that_names_the_project(self, folder: Path) -> None:
        assert project(folder, "wine").accuracy_threshold == 0.1
        assert project(folder, "penguins").accuracy_threshold == 0.8
        named = {"ACCURACY_THRESHOLD__PENGUINS": "0.9"}
        assert project(folder, "penguins", **named).accuracy_threshold == 0.9
        assert project(folder, **named).accuracy_threshold == 0.1
        assert project(folder, "penguins", ACCURACY_THRESHOLD__PENGUINS="").accuracy_threshold == 0.8

    def test_without_a_name_it_counts_for_the_default_project(self, folder: Path) -> None:
        environ = {"ACCURACY_THRESHOLD": "0.5", "TEAM": "acme", "TEAM_S3_TEST_KEY": "in/"}
        default, other = project(folder, **environ), project(folder, "wine", **environ)
        assert (default.accuracy_threshold, default.team, default.test_key) == (0.5, "acme", "in/")
        assert (other.accuracy_threshold, other.team, other.test_key) == (0.1, "cellar", "wine/wine_test.csv")

    def test_with_the_default_project_s_name_it_wins_over_the_one_without(self, folder: Path) -> None:
        assert project(folder, RESCORE="all", RESCORE__IRIS="none").rescore == "none"

    def test_the_default_project_s_file_may_have_settings_too(self, write: Write, tmp_path: Path) -> None:
        write("project.json", settings={"RESCORE": "all", "DRIFT_WINDOW": 5})
        assert (project(tmp_path).rescore, project(tmp_path).drift_window) == ("all", 5)
        assert project(tmp_path, RESCORE="none").rescore == "none"

    @pytest.mark.parametrize("name", sorted(SHARED - {"IRIS_PROJECT_FILE"}))
    def test_what_is_the_deployment_s_counts_for_all(self, folder: Path, name: str) -> None:
        [field] = [key for key, one in Settings.model_fields.items() if one.validation_alias == name]
        example = str((Settings.model_fields[field].examples or [""])[0]).replace("dev", "prod")
        values = {name: example}
        if "TRACKING" not in name and "URL" not in name:
            assert getattr(project(folder, "wine"), field) != getattr(
                project(folder, "wine", **values), field
            )
        for one in deployed(folder, **values).projects:
            assert getattr(one, field) == getattr(project(folder, **values), field)

    @pytest.mark.parametrize(
        ("name", "value", "field", "expected"),
        [
            ("TEAM_S3_TRAIN_KEY", "in/t.csv", "train_key", "in/t.csv"),
            ("RETRAIN_ON_DRIFT", True, "retrain_on_drift", True),
            ("PREDICTION_PROBABILITIES", "1", "prediction_probabilities", True),
            ("SHARD_MB", 16, "shard_mb", 16),
            ("PROMOTION_MARGIN", 1e-5, "promotion_margin", 1e-5),
            ("TRUSTED_MODEL_TYPES", ["a.B", "c.D"], "trusted_model_types", ("a.B", "c.D")),
            ("TEAM_S3_BUCKET", "shared", "predictions_bucket", "shared"),
            ("RESCORE", "", "rescore", "newest"),
        ],
    )
    def test_values_in_a_file(
        self, folder: Path, write: Write, name: str, value: object, field: str, expected: object
    ) -> None:
        write("projects/wine.json", name="wine", settings={name: value})
        assert getattr(project(folder, "wine"), field) == expected


class TestRefusedInAFile:
    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"ACCURACY_THRESHOLD": 2}, "ACCURACY_THRESHOLD=2: Input should be less than or equal to 1."),
            ({"ACCURACY_THRESHOLD": True}, "ACCURACY_THRESHOLD=true: This should be a valid number"),
            ({"ACURACY_THRESHOLD": 0.5}, "ACURACY_THRESHOLD is no setting. Was ACCURACY_THRESHOLD meant?"),
            ({"accuracy_threshold": 0.5}, "accuracy_threshold is no setting. Was ACCURACY_THRESHOLD meant?"),
            ({"colour": "red"}, "colour is no setting."),
            ({"TEAM": "b"}, "TEAM is not set there: default_team"),
            ({"PLATFORM_ENV": "prod"}, "PLATFORM_ENV counts for every project"),
            ({"MLFLOW_TRACKING_URI": "http://m"}, "MLFLOW_TRACKING_URI counts for every project"),
            ({"AWS_SECRET_ACCESS_KEY": "x"}, "AWS_SECRET_ACCESS_KEY counts for every project"),
            ({"DRIFT_ALERT_SLACK": "https://h/x"}, "DRIFT_ALERT_SLACK is a secret, which no file holds"),
            ({"RESCORE": None}, "RESCORE: expected a text, a number"),
            ({"RESCORE": {"a": 1}}, "RESCORE: expected a text, a number"),
            ({"TEAM_S3_TEST_KEY": "a\nb"}, "TEAM_S3_TEST_KEY=a\\nb: A value should not hold the control"),
        ],
    )
    def test_says_file_and_setting(
        self, folder: Path, write: Write, settings: dict[str, object], said: str
    ) -> None:
        file = write("projects/wine.json", name="wine", settings=settings)
        [(broken, error)] = deployed(folder).broken
        assert broken.path == file
        assert str(error).startswith(f"{file}: settings: {said}")
        assert [one.project.name for one in deployed(folder).projects] == ["iris", "penguins"]

    def test_what_no_single_setting_is_to_blame_for_names_the_file(self, folder: Path, write: Write) -> None:
        file = write("projects/wine.json", name="wine", settings={"DRIFT_WINDOW": 3, "DRIFT_VIOLATIONS": 4})
        assert refused(folder, "wine").startswith(f"{file}: DRIFT_VIOLATIONS=4 is above DRIFT_WINDOW=3")

    def test_a_default_that_cannot_be_names_the_file(self, folder: Path, write: Write) -> None:
        file = write("projects/wine.json", name="wine", default_team="c")
        assert project(folder, "wine").bucket == "c-bucket"
        write("projects/wine.json", name="wine", default_team="c" * 60)
        assert refused(folder, "wine").startswith(f"{file}: TEAM=ccc")


class TestRefusedVariables:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("ACCURACY_THRESHOLD__PENGUIN", "Was ACCURACY_THRESHOLD__PENGUINS meant?"),
            ("ACCURACY_THRESHOLD__PENGUIN", "penguin is the name of no project"),
            ("ACCURACY_THRESHOLD__PENGUIN", "Known: iris, penguins, wine."),
            ("ACURACY_THRESHOLD__PENGUINS", "Was ACCURACY_THRESHOLD__PENGUINS meant?"),
            ("DRIFT_WINDOWS__NOBODY", "Was DRIFT_WINDOW__NOBODY meant?"),
            ("TEAM-S3-TETS-KEY--WINE", "Was TEAM_S3_TEST_KEY__WINE meant?"),
            ("TEAM_COLOUR__WINE", "TEAM_COLOUR is no setting of a project"),
            ("PLATFORM_ENV__WINE", "PLATFORM_ENV counts for every project. Set PLATFORM_ENV itself."),
            ("AWS_ACCESS_KEY_ID__WINE", "AWS_ACCESS_KEY_ID counts for every project"),
            ("accuracy_threshold__wine", "Was ACCURACY_THRESHOLD__WINE meant?"),
        ],
    )
    def test_the_name_that_was_meant_is_said(self, folder: Path, name: str, said: str) -> None:
        for chosen in ("", "penguins"):
            message = refused(folder, chosen, **{name: "0.5"})
            assert message.startswith(name)
            assert said in message

    @pytest.mark.parametrize(
        "name", ["AIRFLOW__CORE__EXECUTOR", "OTHER__WINE", "TEAM_CITY__X", "__WINE", "A__"]
    )
    def test_what_may_be_another_program_s_is_left_alone(self, folder: Path, name: str) -> None:
        assert project(folder, "wine", **{name: "x"}) == project(folder, "wine")

    def test_a_wrong_value_is_named_as_it_was_written(self, folder: Path) -> None:
        name = "ACCURACY_THRESHOLD__WINE"
        message = refused(folder, "wine", **{name: "2"})
        assert message.startswith(f"{name}=2: ")
        assert message.endswith(f"Example: {name}=0.1")
        assert project(folder, **{name: "2"}).accuracy_threshold == 0.1

    def test_a_secret_is_not_shown(self, folder: Path) -> None:
        message = refused(folder, "wine", DRIFT_ALERT_SLACK__WINE="hush\x00")
        assert message.startswith("DRIFT_ALERT_SLACK__WINE=***: ")
        good = project(folder, "wine", DRIFT_ALERT_SLACK__WINE="https://hooks.example.org/hush")
        assert good.drift_alert_slack
        assert "hush" not in repr(good)

    def test_those_of_a_broken_file_are_no_mistake(self, folder: Path) -> None:
        (folder / "projects" / "wine.json").write_text("{")
        environ = {"RESCORE__WINE": "all", "RESCORE__PENGUINS": "none"}
        assert project(folder, "penguins", **environ).rescore == "none"


class TestBroken:
    @pytest.mark.parametrize("content", ["{", "[]", "null", '{"name": "wine"}', '{"name": 7}', ""])
    def test_one_does_not_hold_the_others(self, folder: Path, content: str) -> None:
        file = folder / "projects" / "wine.json"
        file.write_text(content)
        found = deployed(folder)
        assert [one.project.name for one in found.projects] == ["iris", "penguins"]
        [(broken, error)] = found.broken
        assert broken.path == file
        assert str(error).startswith(str(file))

    @pytest.mark.parametrize(
        "content", [b"\xff\xfe{", b"[" * 100_000, b'{"name": ' + b"9" * 5000 + b"}", b"\xef\xbb\xbf{"]
    )
    def test_nor_does_one_that_is_no_text_or_no_json(self, folder: Path, content: bytes) -> None:
        file = folder / "projects" / "wine.json"
        file.write_bytes(content)
        [(_, error)] = deployed(folder).broken
        assert str(error).startswith(f"{file}")
        assert "not JSON" in str(error)

    def test_nor_does_a_folder_with_such_a_name(self, folder: Path) -> None:
        (folder / "projects" / "zoo.json").mkdir()
        [(_, error)] = deployed(folder).broken
        assert str(error) == f"{folder}/projects/zoo.json cannot be read: Is a directory."

    def test_asking_for_it_says_what_is_wrong(self, folder: Path) -> None:
        (folder / "projects" / "wine.json").write_text("{")
        assert "wine.json, line 1: not JSON" in refused(folder, "wine")

    def test_a_broken_default_project_is_no_other_one(self, folder: Path) -> None:
        (folder / "project.json").write_text("{")
        assert "project.json, line 1: not JSON" in refused(folder)
        wine = project(folder, "wine", TEAM="acme")
        assert (wine.team, wine.names.section) == ("cellar", "dev-wine")

    def test_a_wrong_variable_of_the_default_project_does_not_hold_the_others(self, folder: Path) -> None:
        environ = {"ACCURACY_THRESHOLD": "high"}
        assert refused(folder, **environ).startswith("ACCURACY_THRESHOLD=high: ")
        assert project(folder, "wine", **environ).accuracy_threshold == 0.1

    def test_a_wrong_variable_of_the_deployment_is_one_error(self, folder: Path) -> None:
        found = deployed(folder, PLATFORM_ENV="X Y")
        assert not found.projects
        assert len({str(error) for _, error in found.broken}) == 1


class TestSideBySide:
    def crossing(self, folder: Path, **environ: str) -> str:
        [(_, error)] = deployed(folder, **environ).broken
        return str(error)

    def test_the_same_name_and_team(self, folder: Path, write: Write) -> None:
        file = write("projects/wine.json")
        message = self.crossing(folder)
        assert str(file) in message
        assert str(folder / "project.json") in message
        assert project(folder, "iris").project_file == folder / "project.json"

    def test_names_that_only_look_different(self, folder: Path, write: Write) -> None:
        """The training DAG of `iris_drift` would have the id of iris's drift DAG."""
        write("projects/wine.json", name="iris_drift")
        assert "team_a_dev_iris_drift_pipeline" in self.crossing(folder)

    @pytest.mark.parametrize(
        "settings",
        [
            {"TEAM_S3_TEST_KEY": "iris/iris_test.csv"},
            {"TEAM_S3_TEST_KEY": "iris/"},
            {"TEAM_S3_TRAIN_KEY": "iris/labels/a.csv"},
            {"TEAM_PREDICTIONS_PREFIX": "iris/predictions"},
            {"TEAM_DRIFT_PREFIX": "iris/predictions/wine"},
            {"TEAM_S3_LABELS_PREFIX": "iris/drift"},
        ],
    )
    def test_keys_that_overlap_in_one_bucket(
        self, folder: Path, write: Write, settings: dict[str, str]
    ) -> None:
        file = write("projects/wine.json", name="wine", settings=settings)
        message = self.crossing(folder)
        assert message.startswith(f"{file}: {next(iter(settings))}=")
        assert f"of {folder / 'project.json'} in the bucket team-a-bucket" in message
        write("projects/wine.json", name="wine", default_team="cellar", settings=settings)
        assert not deployed(folder).broken

    def test_predictions_below_another_project_s_ledger(self, folder: Path, write: Write) -> None:
        settings = {"TEAM_PREDICTIONS_BUCKET": "team-a-bucket", "TEAM_PREDICTIONS_PREFIX": "ledger/x"}
        write("projects/wine.json", name="wine", default_team="cellar", settings=settings)
        assert "overlaps with the ledger (ledger/)" in self.crossing(folder)

    def test_two_teams_projects_of_one_name_in_one_bucket(self, folder: Path, write: Write) -> None:
        own = {
            "TEAM_S3_BUCKET": "team-a-bucket",
            "TEAM_S3_KEY": "b/train.csv",
            "TEAM_S3_TEST_KEY": "b/test.csv",
            "TEAM_PREDICTIONS_PREFIX": "b/predictions",
            "TEAM_DRIFT_PREFIX": "b/drift",
            "TEAM_S3_LABELS_PREFIX": "b/labels/",
        }
        write("projects/wine.json", name="penguins", default_team="cellar", settings=own)
        assert "the ledger=ledger/dev-penguins/ overlaps" in self.crossing(folder)
