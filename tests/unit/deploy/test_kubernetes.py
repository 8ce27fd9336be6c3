"""The values for Airflow's Helm chart: what can be checked without the chart, which is not ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from iris_core.models.tracking import BOUNDS
from iris_core.settings.declared import variables
from iris_core.settings.variables import Settings, load_settings

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"
PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
SECRET = re.compile(r"pass(word)?$|secret|fernet|token|_key$|connection$|broker", re.IGNORECASE)


def loaded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return found


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """As Helm lays one values file over another: maps are merged, everything else is replaced."""
    both = {key: merged(below[key], above[key]) for key in above if _are_maps(below.get(key), above[key])}
    return {**below, **above, **both}


def _are_maps(*values: object) -> bool:
    return all(isinstance(value, Mapping) for value in values)


@cache
def variants() -> dict[str, dict[str, Any]]:
    pods = loaded("values.yaml")
    return {"KubernetesExecutor": pods, "CeleryExecutor": merged(pods, loaded("values-celery.yaml"))}


@pytest.fixture(params=["KubernetesExecutor", "CeleryExecutor"])
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    found = variants()[request.param]
    assert found["executor"] == request.param
    return found


def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    else:
        yield path, node


class TestSecrets:
    def test_secrets_are_named_and_not_held(self, values: dict[str, Any]) -> None:
        for path, value in leaves(values):
            if isinstance(value, str) and SECRET.search(path[-1]):
                assert path[-1].endswith("SecretName"), path
        assert not any(SECRET.search(item["name"]) for item in values["env"])

    def test_every_secret_of_the_chart_is_ours(self, values: dict[str, Any]) -> None:
        assert values["data"]["metadataSecretName"] == "iris-airflow"
        for name in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName"):
            assert values[name] == "iris-airflow", "the chart would make one, and another at each upgrade"

    def test_celery_is_told_where_the_broker_s_address_is(self) -> None:
        assert variants()["CeleryExecutor"]["data"]["brokerUrlSecretName"] == "iris-broker"

    def test_the_page_says_what_each_secret_holds(self, values: dict[str, Any]) -> None:
        data = [value for key, value in values["data"].items() if key.endswith("SecretName")]
        environment = [source["secretRef"]["name"] for source in yaml.safe_load(values["extraEnvFrom"])]
        for name in {*data, *environment}:
            assert f"| `{name}`" in PAGE
        ours = ("AIRFLOW_CONN_MINIO_DEFAULT", "MLFLOW_TRACKING_PASSWORD")
        for key in ("connection", "fernet-key", "api-secret-key", "jwt-secret", *ours):
            assert f"| `{key}` |" in PAGE

    def test_nobody_is_made_admin_with_the_password_admin(self, values: dict[str, Any]) -> None:
        assert values["createUserJob"]["enabled"] is False


class TestSettings:
    def test_every_variable_is_one_that_something_reads(self, values: dict[str, Any]) -> None:
        known = {*variables(Settings), *BOUNDS, "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED"}
        assert {item["name"] for item in values["env"]} - known == set()

    def test_the_code_accepts_them(self, values: dict[str, Any]) -> None:
        settings = load_settings({item["name"]: item["value"] for item in values["env"]})
        assert f"`{settings.names.training_dag}`" in PAGE

    def test_every_option_is_one_of_airflow_s(self, values: dict[str, Any]) -> None:
        from airflow.configuration import conf

        known = conf.configuration_description
        for section, options in values["config"].items():
            for option in options:
                assert option in known[section]["options"], (section, option)

    def test_options_are_those_of_docker_compose(self, values: dict[str, Any]) -> None:
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
        environment = compose["services"]["airflow-scheduler"]["environment"]
        for section, option in (
            ("core", "dags_are_paused_at_creation"),
            ("scheduler", "scheduler_idle_sleep_time"),
        ):
            assert environment[f"AIRFLOW__{section}__{option}".upper()] == str(
                values["config"][section][option]
            )

    def test_task_logs_go_where_the_page_says(self, values: dict[str, Any]) -> None:
        logging = values["config"]["logging"]
        bucket = logging["remote_base_log_folder"].removeprefix("s3://").split("/")[0]
        assert logging["remote_log_conn_id"] == "minio_default"
        assert f'"arn:aws:s3:::{bucket}/*"' in PAGE

    def test_the_image_s_local_settings_are_not_shadowed(self, values: dict[str, Any]) -> None:
        assert values["airflowLocalSettings"] is None


class TestImage:
    def test_every_pod_of_airflow_runs_ours(self, values: dict[str, Any]) -> None:
        assert "airflow" not in values["images"], "the template of a task's pod reads the defaults only"
        assert values["defaultAirflowRepository"].endswith("/iris-mlops-pipelines")

    def test_airflow_is_the_version_that_is_locked(self, values: dict[str, Any]) -> None:
        lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
        assert f"\napache-airflow=={values['airflowVersion']} " in lock

    @pytest.mark.parametrize("extra", ["postgres", "celery", "kubernetes", "fab", "statsd"])
    def test_it_has_what_the_chart_runs(self, extra: str) -> None:
        assert f"--extra {extra}" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


class TestHardening:
    def test_nothing_runs_as_root_or_gains_privileges(self, values: dict[str, Any]) -> None:
        pods = [values["securityContexts"]["pod"], values["statsd"]["securityContexts"]["pod"]]
        containers = [
            values["securityContexts"]["containers"],
            values["statsd"]["securityContexts"]["container"],
        ]
        assert all(pod["runAsNonRoot"] and pod["runAsUser"] > 0 for pod in pods)
        assert all(pod["seccompProfile"] == {"type": "RuntimeDefault"} for pod in pods)
        assert all(each["allowPrivilegeEscalation"] is False for each in containers)
        assert all(each["capabilities"] == {"drop": ["ALL"]} for each in containers)

    def test_tasks_get_no_token_of_kubernetes(self) -> None:
        for executor, kind in (("KubernetesExecutor", "kubernetes"), ("CeleryExecutor", "celery")):
            account = variants()[executor]["workers"][kind]["serviceAccount"]
            assert account == {"create": True, "automountServiceAccountToken": False}

    def test_every_component_has_requests_and_a_limit(self, values: dict[str, Any]) -> None:
        kind = "celery" if values["executor"] == "CeleryExecutor" else "kubernetes"
        parts = ["migrateDatabaseJob", "apiServer", "scheduler", "triggerer", "dagProcessor", "statsd"]
        sized = [values[part]["resources"] for part in parts] + [values["workers"][kind]["resources"]]
        assert all(
            size["requests"].keys() == {"cpu", "memory"} and size["limits"]["memory"] for size in sized
        )
