"""Variables as people set them: what surrounds a value, what cannot be meant, and names that nobody reads."""

from __future__ import annotations

import string
from contextlib import suppress
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from iris_core.errors import ConfigError
from iris_core.settings.declared import (
    Declared,
    as_text,
    examples,
    is_secret,
    read_variables,
    variable,
    variables,
)
from iris_core.settings.project_files import project_file
from iris_core.settings.values import bare
from iris_core.settings.variables import Settings, load_settings

pytestmark = pytest.mark.unit

VARIABLES = variables(Settings)
FIELDS = {str(field.validation_alias): name for name, field in Settings.model_fields.items()}
SECRETS = {"AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "DRIFT_ALERT_WEBHOOK", "DRIFT_ALERT_SLACK"}
AROUND = [
    *("{}\r", "{}\r\n", "\n{}", "  {}\t", "\xa0{}\xa0", "\ufeff{}"),
    *('"{}"', "'{}'", "“{}”", ' "{}" \r\n', "\"'{}'\""),
]
NUMBERS = [name for name, field in VARIABLES.items() if type(field.default) in (int, float)]
KEYS = [
    *("TEAM_S3_KEY", "TEAM_S3_TRAIN_KEY", "TEAM_S3_TEST_KEY", "TEAM_S3_LABELS_PREFIX"),
    *("TEAM_PREDICTIONS_PREFIX", "TEAM_DRIFT_PREFIX"),
]


def refused(**environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ)
    return str(caught.value)


def right(name: str) -> str:
    return str((VARIABLES[name].examples or [""])[0])


class TestAround:
    @pytest.mark.parametrize("name", sorted(VARIABLES.keys() - {"IRIS_PROJECT_FILE"}))
    def test_blanks_line_ends_and_quotes_are_taken_off(self, name: str) -> None:
        expected = load_settings({name: right(name)})
        for around in AROUND:
            assert load_settings({name: around.format(right(name))}) == expected, around

    @given(st.text(alphabet=string.whitespace + "\x85\xa0\u2003\ufeff'\"x"))
    def test_nothing_is_left_around(self, text: str) -> None:
        inner = bare(text)
        assert inner == bare(inner) == inner.strip()
        assert inner in text

    @pytest.mark.parametrize("blank", ["", " ", "\r\n", "''", '" "'])
    def test_nothing_between_them_counts_as_unset(self, blank: str) -> None:
        assert load_settings(dict.fromkeys(VARIABLES, blank)) == load_settings({})

    @pytest.mark.parametrize("value", ['"iris.csv', "iris.csv'", "'iris.csv\"", '"'])
    def test_half_a_pair_of_quotes_is_refused(self, value: str) -> None:
        message = refused(TEAM_S3_TEST_KEY=value)
        assert message.startswith(f"TEAM_S3_TEST_KEY={value}: ")
        assert "quote" in message

    def test_a_secret_may_begin_with_one(self) -> None:
        secret = load_settings({"AWS_SECRET_ACCESS_KEY": "'tis-a-secret"}).secret_access_key
        assert secret == SecretStr("'tis-a-secret")

    def test_the_project_file_is_read_the_same_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IRIS_PROJECT_FILE", ' "/nowhere/wine.json"\r')
        assert str(project_file()) == "/nowhere/wine.json"
        with pytest.raises(ConfigError, match=r"^/nowhere/wine\.json is missing"):
            load_settings()


class TestInside:
    @pytest.mark.parametrize("name", sorted(VARIABLES))
    def test_control_characters_are_refused_by_the_variables_name(self, name: str) -> None:
        for character in "\x00\n\r\t\x1b\x7f\x85\u2028\udcff":
            message = refused(**{name: f"ab{character}cd"})
            assert message.startswith(f"{name}=")
            assert f"control character {character!a}" in message
            assert message.isprintable()

    @pytest.mark.parametrize("name", sorted(SECRETS))
    def test_of_a_secret_nothing_is_shown(self, name: str) -> None:
        assert refused(**{name: "planted\nsecret"}).startswith(f"{name}=***: ")

    def test_secrets_are_declared_by_their_type(self) -> None:
        assert {name for name, field in VARIABLES.items() if is_secret(field)} == SECRETS


class TestNumbers:
    @pytest.mark.parametrize("name", NUMBERS)
    def test_what_is_none_is_refused_by_the_variables_name(self, name: str) -> None:
        words = "nan inf -inf Infinity 1e400 -0 -0.0 １ ٣ 1_0 0x1 1,5 ½ 1e --1 true"
        for value in [*words.split(), "1 0"]:
            assert refused(**{name: value}).startswith(f"{name}={value}: ")

    @given(st.floats(0, 1), st.sampled_from(["{}", "{:e}", "+{}", "{:.17f}"]))
    def test_a_number_is_the_one_that_python_reads(self, number: float, notation: str) -> None:
        text = notation.format(number)
        assert load_settings({"ACCURACY_THRESHOLD": text}).accuracy_threshold == float(text)

    @pytest.mark.parametrize("name", ["LABELS_HORIZON_DAYS", "RETRAIN_COOLDOWN_HOURS"])
    def test_a_span_of_time_is_one_that_a_calendar_holds(self, name: str) -> None:
        assert "less than or equal to" in refused(**{name: "1000000000"})


class TestKeys:
    @pytest.mark.parametrize("name", KEYS)
    def test_what_minio_refuses_is_refused_by_the_variables_name(self, name: str) -> None:
        long = f"{'ü' * 128}/a", "a/" * 451 + "b"
        for key in ("/a.csv", "a//b.csv", "./a.csv", "a/./b.csv", "../a.csv", "a/../b.csv", "a/..", *long):
            assert refused(**{name: key}).startswith(f"{name}={key}: A key should ")

    @pytest.mark.parametrize("name", KEYS)
    def test_what_it_takes_is_taken(self, name: str) -> None:
        for key in (
            "a b.csv",
            "café/50%.csv",
            "dt=2026-01-01/...",
            ".hidden/a..b",
            "🌼",
            "it's/?.csv",
            r"a\b",
        ):
            assert getattr(load_settings({name: key}), FIELDS[name]).rstrip("/") == key

    @given(st.text(alphabet="a./", min_size=1, max_size=12), st.sampled_from(KEYS))
    def test_no_key_that_is_taken_has_a_part_that_no_store_keeps(self, key: str, name: str) -> None:
        with suppress(ConfigError):
            taken = getattr(load_settings({name: key}), FIELDS[name])
            assert not {"", ".", ".."} & {*taken.removesuffix("/").split("/")}

    def test_training_reads_one_object(self) -> None:
        assert "not a prefix" in refused(TEAM_S3_TRAIN_KEY="iris/in/")


@pytest.mark.parametrize("name", ["a..b", "a.-b", "a-.b", "192.168.1.1", "mlflow"])
@pytest.mark.parametrize("variable", ["TEAM_S3_BUCKET", "TEAM_PREDICTIONS_BUCKET", "TEAM_DRIFT_BUCKET"])
def test_buckets_that_cannot_be_are_refused(variable: str, name: str) -> None:
    assert refused(**{variable: name}).startswith(f"{variable}={name}: ")


@pytest.mark.parametrize("rest", [":9000", "minio:port", "minio:99999", "minio:0", "[::1"])
@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "MLFLOW_S3_ENDPOINT_URL"])
def test_addresses_that_no_server_can_have_are_refused(variable: str, rest: str) -> None:
    assert refused(**{variable: f"http://{rest}"}).startswith(f"{variable}=http://{rest}: ")


class TestMisspelt:
    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("TEAM_S3_TETS_KEY", "TEAM_S3_TEST_KEY"),
            ("DRIFT_WINDOWS", "DRIFT_WINDOW"),
            ("TEAM_S3_PREDICTIONS_PREFIX", "TEAM_PREDICTIONS_PREFIX"),
            ("ACCURACY_TRESHOLD", "ACCURACY_THRESHOLD"),
            ("RETRAIN_COOLDOWN_HOUR", "RETRAIN_COOLDOWN_HOURS"),
            ("team_s3_test_key", "TEAM_S3_TEST_KEY"),
            ("TEAM-S3-TEST-KEY", "TEAM_S3_TEST_KEY"),
            ("TEAM_S3_TEST_KEY ", "TEAM_S3_TEST_KEY"),
            ("IRIS_CODE_VERSIONS", "IRIS_CODE_VERSION"),
        ],
    )
    def test_the_variable_that_was_meant_is_named(self, name: str, meant: str) -> None:
        message = refused(**{name: "x"})
        assert message.startswith(f"{name} is ")
        assert f"Was {meant} meant?" in message
        assert message.endswith(f"Example: {meant}={examples(VARIABLES[meant])}")

    @pytest.mark.parametrize(
        "name",
        [
            *("TEAM_NAME", "TEAM_CITY_VERSION", "MY_TEAM_S3_TEST_KEYS", "TEAMS", "DRIFT_SERVICE_HOST"),
            *("IRIS_HOME", "IRIS_PORT_STORE", "PATH"),
            *("AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEYS", "MLFLOW_TRACKING_URL", "MLFLOW_TRACKING_TOKEN"),
        ],
    )
    def test_names_that_may_be_anothers_are_left_alone(self, name: str) -> None:
        assert load_settings({name: "x"}) == load_settings({})


class Tea(Declared):
    """Another model's variables are read by the same rules."""

    kind: Literal["green", "black"] = variable("TEA_KIND", "green", "what is brewed", "green", "black")
    minutes: float = variable("TEA_MINUTES", 2.5, "how long", ge=1)


class TestAnotherModel:
    def test_defaults_and_values(self) -> None:
        assert (read_variables(Tea, {}).kind, read_variables(Tea, {}).minutes) == ("green", 2.5)
        given = read_variables(Tea, {"TEA_KIND": "black\r", "TEA_MINUTES": "3"})
        assert (given.kind, given.minutes) == ("black", 3)

    def test_errors(self) -> None:
        with pytest.raises(ConfigError, match=r"^TEA_MINUTES=0: .*Example: TEA_MINUTES=2.5$"):
            read_variables(Tea, {"TEA_MINUTES": "0"})
        with pytest.raises(ConfigError, match=r"Example: TEA_KIND=green or black$"):
            read_variables(Tea, {"TEA_KIND": "white"})
        with pytest.raises(ConfigError, match="Was TEA_KIND meant"):
            read_variables(Tea, {"TEA_KINDS": "white"})

    def test_by_default_the_process_environment_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEA_KIND", "black")
        assert read_variables(Tea).kind == "black"
        assert Tea().kind == "black"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "true"), (0.02, "0.02"), (6.0, "6"), (256, "256"), (("a.B", "c.D"), "a.B,c.D")],
)
def test_values_as_a_person_writes_them(value: object, text: str) -> None:
    assert as_text(value) == text
