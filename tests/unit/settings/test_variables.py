"""Settings: defaults, names, and errors that a reader can act on."""

from __future__ import annotations

import traceback

import pytest

from iris_core.errors import ConfigError
from iris_core.ledger.workspace import access_from_settings
from iris_core.settings.declared import as_text, examples, variables
from iris_core.settings.project_files import load_project, shipped_file
from iris_core.settings.variables import Settings, load_settings

pytestmark = pytest.mark.unit

SECRET = "do-not-tell-anyone"
VARIABLES = variables(Settings)


def loaded(**environ: str) -> Settings:
    return load_settings(environ)


def refused(**environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(**environ)
    return str(caught.value)


class TestDefaults:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("project_file", shipped_file()),
            ("tracking_uri", "http://mlflow:5000"),
            ("tracking_ui_url", None),
            ("tracking_username", ""),
            ("tracking_password", None),
            ("s3_endpoint_url", "http://minio:9000"),
            ("access_key_id", None),
            ("secret_access_key", None),
            ("platform_env", "dev"),
            ("team", "team_a"),
            ("bucket", "team-a-bucket"),
            ("key", "iris/iris_train.csv"),
            ("train_key", "iris/iris_train.csv"),
            ("test_key", "iris/iris_test.csv"),
            ("predictions_bucket", "team-a-bucket"),
            ("predictions_prefix", "iris/predictions"),
            ("drift_bucket", "team-a-bucket"),
            ("drift_prefix", "iris/drift"),
            ("labels_prefix", "iris/labels/"),
            ("labels_horizon_days", 90),
            ("accuracy_threshold", 0.1),
            ("promotion_margin", 0.02),
            ("promotion_approval", "auto"),
            ("promotion_on_suspect", "ask"),
            ("max_reject_share", 0.05),
            ("max_unpack_ratio", 200),
            ("max_repeat_share", 0.5),
            ("max_train_mb", 1024),
            ("rescore", "newest"),
            ("looks", "named"),
            ("predictions_format", "csv"),
            ("prediction_probabilities", False),
            ("csv_safe", False),
            ("trusted_model_types", ()),
            ("shard_mb", 256),
            ("max_tries", 3),
            ("run_owner", ""),
            ("code_version", ""),
            ("drift_window", 3),
            ("drift_violations", 2),
            ("drift_alert_severity", "medium"),
            ("drift_batch_spread", 0),
            ("drift_learn_spread", False),
            ("drift_alert_webhook", None),
            ("drift_alert_slack", None),
            ("drift_alert_email", ""),
            ("retrain_on_drift", False),
            ("retrain_cooldown_hours", 6.0),
            ("verdict_within", None),
            ("kafka_topic", None),
            ("retrain_budget", 2),
            ("further", False),
        ],
    )
    def test_value(self, field: str, value: object) -> None:
        assert getattr(loaded(), field) == value

    def test_every_field_has_its_default_above(self) -> None:
        [mark] = self.test_value.pytestmark  # type: ignore[attr-defined]
        assert {field for field, _ in mark.args[1]} | {"project"} == set(Settings.model_fields)

    def test_an_empty_variable_counts_as_unset(self) -> None:
        assert loaded(**dict.fromkeys(VARIABLES, "")) == loaded()

    def test_buckets_follow_the_team_and_the_data_bucket(self) -> None:
        assert loaded(TEAM="team_b").bucket == "team-b-bucket"
        settings = loaded(TEAM_S3_BUCKET="shared")
        assert (settings.predictions_bucket, settings.drift_bucket) == ("shared", "shared")


class TestGiven:
    @pytest.mark.parametrize(
        ("variable", "field", "value"),
        [
            ("MLFLOW_TRACKING_URI", "tracking_uri", "https://mlflow.example.org/base"),
            ("MLFLOW_TRACKING_URI", "tracking_uri", "sqlite:////tmp/mlflow.db"),
            ("MLFLOW_S3_ENDPOINT_URL", "s3_endpoint_url", "http://127.0.0.1:9100"),
            ("AWS_ACCESS_KEY_ID", "access_key_id", "iris"),
            ("PLATFORM_ENV", "platform_env", "prod"),
            ("TEAM", "team", "team_b2"),
            ("TEAM_S3_BUCKET", "bucket", "data.lake-1"),
            ("TEAM_S3_TEST_KEY", "test_key", "iris/incoming/"),
            ("TEAM_PREDICTIONS_BUCKET", "predictions_bucket", "other"),
            ("TEAM_PREDICTIONS_PREFIX", "predictions_prefix", "x/y"),
            ("TEAM_DRIFT_BUCKET", "drift_bucket", "other"),
            ("TEAM_DRIFT_PREFIX", "drift_prefix", "x/y"),
            ("TEAM_S3_LABELS_PREFIX", "labels_prefix", "truth/"),
            ("LABELS_HORIZON_DAYS", "labels_horizon_days", "7"),
            ("RUN_OWNER", "run_owner", "jane.doe"),
            ("DRIFT_WINDOW", "drift_window", "5"),
            ("DRIFT_VIOLATIONS", "drift_violations", "1"),
            ("DRIFT_ALERT_SEVERITY", "drift_alert_severity", "high"),
            ("DRIFT_ALERT_EMAIL", "drift_alert_email", "a@b.org,c@d.org"),
            ("RETRAIN_ON_DRIFT", "retrain_on_drift", "true"),
            ("RETRAIN_COOLDOWN_HOURS", "retrain_cooldown_hours", "0.5"),
            ("RETRAIN_BUDGET", "retrain_budget", "7"),
            ("VERDICT_WITHIN", "verdict_within", "15m"),
            ("KAFKA_TOPIC", "kafka_topic", "minio-events"),
        ],
    )
    def test_sets_its_field_and_no_other(self, variable: str, field: str, value: str) -> None:
        settings, default = loaded(**{variable: value}), loaded()
        shown = getattr(settings, field)
        assert as_text(shown).lower() == value
        buckets = {"bucket", "predictions_bucket", "drift_bucket"}
        follow = {"TEAM": buckets, "TEAM_S3_BUCKET": buckets}.get(variable, set())
        changed = {
            name for name in Settings.model_fields if getattr(settings, name) != getattr(default, name)
        }
        assert changed == {field} | follow

    @pytest.mark.parametrize(("text", "number"), [("0", 0.0), ("1", 1.0), ("0.95", 0.95), ("1e-2", 0.01)])
    def test_threshold(self, text: str, number: float) -> None:
        assert loaded(ACCURACY_THRESHOLD=text).accuracy_threshold == number

    def test_train_key_wins_over_key(self) -> None:
        assert loaded(TEAM_S3_KEY="a.csv").train_key == "a.csv"
        assert loaded(TEAM_S3_KEY="a.csv", TEAM_S3_TRAIN_KEY="b.csv").train_key == "b.csv"
        assert loaded(TEAM_S3_KEY="a.csv", TEAM_S3_TRAIN_KEY="").train_key == "a.csv"

    def test_prefixes_lose_their_closing_slash(self) -> None:
        settings = loaded(TEAM_PREDICTIONS_PREFIX="out/", TEAM_DRIFT_PREFIX="drift//")
        assert (settings.predictions_prefix, settings.drift_prefix) == ("out", "drift")

    def test_the_environment_is_read_when_none_is_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEAM", "team_env")
        assert load_settings().team == "team_env"

    def test_settings_cannot_be_changed(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            loaded().team = "x"


class TestNames:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("training_dag", "team_b_prod_iris_pipeline"),
            ("inference_dag", "team_b_prod_iris_batch_inference"),
            ("drift_dag", "team_b_prod_iris_drift_pipeline"),
            ("training_experiment", "team_b-prod-iris_classifier"),
            ("inference_experiment", "team_b-prod-iris_batch_inference"),
            ("drift_experiment", "team_b-prod-iris_drift_monitor"),
            ("model", "team_b_prod_iris_model"),
        ],
    )
    def test_of_a_team_and_environment(self, name: str, value: str) -> None:
        assert getattr(loaded(TEAM="team_b", PLATFORM_ENV="prod").names, name) == value

    def test_of_another_project(self) -> None:
        project = load_project().model_copy(update={"name": "wine", "default_team": "cellar"})
        settings = load_settings({}, project)
        assert settings.names.model == "cellar_dev_wine_model"
        assert settings.train_key == "wine/wine_train.csv"
        assert settings.predictions_prefix == "wine/predictions"

    def test_of_an_asset(self) -> None:
        assert loaded().names.asset("staged_model") == "team_a_dev_staged_model"


class TestMalformed:
    @pytest.mark.parametrize(
        ("variable", "value", "problem"),
        [
            ("MLFLOW_TRACKING_URI", "mlflow:5000", "match pattern"),
            ("MLFLOW_TRACKING_URI", "file:///tmp/mlruns", "match pattern"),
            ("MLFLOW_S3_ENDPOINT_URL", "minio", "match pattern"),
            ("MLFLOW_S3_ENDPOINT_URL", "sqlite:///store.db", "match pattern"),
            ("MLFLOW_TRACKING_USERNAME", "iris:secret", "match pattern"),
            ("PLATFORM_ENV", "Prod", "match pattern"),
            ("TEAM", "team a", "match pattern"),
            ("TEAM", "a" * 41, "at most 40"),
            ("TEAM_S3_BUCKET", "Team_Bucket", "match pattern"),
            ("TEAM_S3_BUCKET", "ab", "match pattern"),
            ("TEAM_S3_KEY", "/iris.csv", "not begin with /"),
            ("TEAM_S3_TRAIN_KEY", "/iris.csv", "not begin with /"),
            ("TEAM_S3_TEST_KEY", "/", "not begin with /"),
            ("TEAM_PREDICTIONS_BUCKET", "-x-", "match pattern"),
            ("TEAM_PREDICTIONS_PREFIX", "/", "at least 1"),
            ("TEAM_DRIFT_BUCKET", "X", "match pattern"),
            ("TEAM_DRIFT_PREFIX", "/drift", "not begin with /"),
            ("TEAM_S3_LABELS_PREFIX", "/", "not begin with /"),
            ("LABELS_HORIZON_DAYS", "0", "greater than or equal to 1"),
            ("ACCURACY_THRESHOLD", "90%", "valid number"),
            ("ACCURACY_THRESHOLD", "0,9", "valid number"),
            ("ACCURACY_THRESHOLD", "1.01", "less than or equal to 1"),
            ("ACCURACY_THRESHOLD", "-0.1", "greater than or equal to 0"),
            ("ACCURACY_THRESHOLD", "nan", "valid number"),
            ("CSV_SAFE", "perhaps", "valid boolean"),
            ("TRUSTED_MODEL_TYPES", "Scaler", "match pattern"),
            ("TRUSTED_MODEL_TYPES", "a.B,c.D()", "match pattern"),
            ("DRIFT_WINDOW", "0", "greater than or equal to 1"),
            ("DRIFT_VIOLATIONS", "two", "valid number"),
            ("DRIFT_ALERT_SEVERITY", "severe", "'low', 'medium' or 'high'"),
            ("DRIFT_ALERT_EMAIL", "nobody", "match pattern"),
            ("RETRAIN_ON_DRIFT", "perhaps", "valid boolean"),
            ("RETRAIN_COOLDOWN_HOURS", "-1", "greater than or equal to 0"),
            ("VERDICT_WITHIN", "15", "seconds, minutes, hours or days"),
            ("VERDICT_WITHIN", "0m", "seconds, minutes, hours or days"),
            ("VERDICT_WITHIN", "31d", "at most 30d"),
            ("KAFKA_TOPIC", "^minio.*", "match pattern"),
            ("KAFKA_TOPIC", "..", "match pattern"),
            ("KAFKA_TOPIC", "a,b", "match pattern"),
            ("RETRAIN_BUDGET", "0", "greater than or equal to 1"),
        ],
    )
    def test_names_variable_value_problem_and_example(self, variable: str, value: str, problem: str) -> None:
        message = refused(**{variable: value})
        assert message.startswith(f"{variable}={value}: ")
        assert problem in message
        assert message.endswith(f"Example: {variable}={examples(VARIABLES[variable])}")
        assert "\n" not in message

    @pytest.mark.parametrize("variable", sorted(VARIABLES.keys() - {"IRIS_PROJECT_FILE"}))
    def test_examples_are_valid(self, variable: str) -> None:
        for example in VARIABLES[variable].examples or []:
            loaded(**{variable: example})

    def test_lists_are_cut_at_commas(self) -> None:
        assert loaded(TRUSTED_MODEL_TYPES="a.B, c.d.E,").trusted_model_types == ("a.B", "c.d.E")

    @pytest.mark.parametrize(
        ("prefix", "named"),
        [
            ("iris/", "TEAM_S3_TRAIN_KEY"),
            ("iris/predictions/", "TEAM_PREDICTIONS_PREFIX"),
            ("ledger/dev/", "the ledger"),
            ("iris/incoming/labels/", "TEAM_S3_TEST_KEY"),
        ],
    )
    def test_labels_need_a_place_of_their_own(self, prefix: str, named: str) -> None:
        message = refused(TEAM_S3_LABELS_PREFIX=prefix, TEAM_S3_TEST_KEY="iris/incoming/")
        assert message.startswith(f"TEAM_S3_LABELS_PREFIX={prefix} overlaps with {named}")

    def test_more_violations_than_the_window_holds(self) -> None:
        assert refused(DRIFT_WINDOW="3", DRIFT_VIOLATIONS="4").startswith(
            "DRIFT_VIOLATIONS=4 is above DRIFT_WINDOW=3"
        )

    @pytest.mark.parametrize("variable", ["DRIFT_ALERT_WEBHOOK", "DRIFT_ALERT_SLACK"])
    def test_an_alert_address_is_never_shown(self, variable: str) -> None:
        good = loaded(**{variable: "https://hooks.example.org/token-1"})
        assert "token-1" not in repr(good)
        message = refused(**{variable: "hooks.example.org/token-1"})
        assert "token-1" not in message
        assert "begins with http" in message

    @pytest.mark.parametrize("address", ["http://[::1/token-1", "http://a:token-1/x", "http://?token-1"])
    def test_an_alert_address_names_a_host(self, address: str) -> None:
        message = refused(DRIFT_ALERT_WEBHOOK=address)
        assert "token-1" not in message
        assert "names a host" in message


class TestSecrets:
    @pytest.fixture
    def settings(self) -> Settings:
        return loaded(AWS_ACCESS_KEY_ID="iris", AWS_SECRET_ACCESS_KEY=SECRET)

    def test_masked_wherever_settings_are_shown(self, settings: Settings) -> None:
        for shown in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
            assert SECRET not in shown
            assert "iris_train.csv" in shown

    def test_not_in_an_error_about_another_variable(self) -> None:
        with pytest.raises(ConfigError) as caught:
            loaded(
                AWS_ACCESS_KEY_ID="iris", AWS_SECRET_ACCESS_KEY=SECRET, TEAM="Bad Team", PLATFORM_ENV="X Y"
            )
        assert SECRET not in "".join(traceback.format_exception(caught.value))

    def test_handed_to_the_store_and_masked_there(self, settings: Settings) -> None:
        access = access_from_settings(settings)
        assert access.secret_access_key == SECRET
        assert access.access_key_id == "iris"
        assert SECRET not in repr(access)

    @pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
    def test_a_missing_credential_is_named(self, missing: str) -> None:
        both = {"AWS_ACCESS_KEY_ID": "iris", "AWS_SECRET_ACCESS_KEY": SECRET}
        with pytest.raises(ConfigError, match=missing) as caught:
            access_from_settings(loaded(**{name: both[name] for name in both if name != missing}))
        assert SECRET not in str(caught.value)
