"""Image, compose file, lock, workflow and README: what they promise each other."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.env_file import SECRETS
from devstack.environment import stack_environment
from devstack.home import Home
from devstack.ports import VARIABLES as PORT_VARIABLES
from devstack.processes import COMPONENT_MARK, STACK_MARK
from devstack.variables import StackVariables
from iris_core.doctor.variables import AirflowLogin
from iris_core.settings.declared import as_text, variables
from iris_core.settings.projects import ProjectChoice
from iris_core.settings.variables import Settings, load_settings

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
REFERENCE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?P<operator>:[-?])(?P<rest>[^}]*)\}")
DOCUMENTS = [
    *("README.md", "CONTRIBUTING.md", "SECURITY.md"),
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
VARIABLES = variables(Settings)
IN_THE_IMAGE = {"IRIS_CODE_VERSION"}
ACCOUNT = {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}
"""docker-compose.yml gives the pipelines their account; no variable of its own names it."""


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def composed() -> str:
    """The compose file without its comments."""
    return re.sub(r"^ *#.*$", "", read("docker-compose.yml"), flags=re.MULTILINE)


@cache
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(composed())["services"]
    return found


@cache
def of_our_image() -> set[str]:
    """The services whose image the Dockerfile makes."""
    return {name for name, service in services().items() if "IRIS_IMAGE" in service["image"]}


@cache
def references() -> dict[str, set[tuple[str, str]]]:
    """Each variable of the compose file with its operators and what follows them."""
    found: dict[str, set[tuple[str, str]]] = {}
    for match in REFERENCE.finditer(composed()):
        found.setdefault(match["name"], set()).add((match["operator"], match["rest"]))
    return found


@cache
def compose_schema() -> jsonschema.Draft202012Validator:
    text = read("tests/fixtures/compose-spec/compose-spec.json")
    return jsonschema.Draft202012Validator(json.loads(text))


def example_variables() -> dict[str, str]:
    lines = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$", read(".env.example"), re.MULTILINE)
    return dict(lines)


def pyproject() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))


def requirements() -> Iterator[str]:
    """Each requirement of the lock with its hashes, without comments."""
    lines = [line for line in read("requirements.lock").splitlines() if not line.strip().startswith("#")]
    yield from re.split(r"\n(?=\S)", "\n".join(lines))


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


class TestCompose:
    def test_is_what_the_compose_specification_allows(self) -> None:
        found = yaml.safe_load(composed())
        assert [f"{error.json_path}: {error.message}" for error in compose_schema().iter_errors(found)] == []

    def test_the_specification_is_asked_for_real(self) -> None:
        found = yaml.safe_load(composed())
        found["services"]["minio"]["healthcheck"]["tries"] = 3
        assert not compose_schema().is_valid(found)

    def test_every_service_has_limits_and_bounded_logs(self) -> None:
        for name, service in services().items():
            assert 0 < service["cpus"] <= 2, (name, "a machine with 2 cores refuses more")
            assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
            assert service["pids_limit"] > 0, name
            assert {"max-size", "max-file"} <= service["logging"]["options"].keys(), name
            assert service["security_opt"] == ["no-new-privileges:true"], name

    def test_one_service_builds_the_image_and_none_pulls_it(self) -> None:
        assert [name for name, service in services().items() if "build" in service] == ["minio-volume"]
        others = of_our_image() - {"minio-volume"}
        assert {services()[name]["pull_policy"] for name in others} == {"never"}

    def test_no_container_has_a_capability_that_it_does_not_need(self) -> None:
        entrypoint = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
        needed = {
            "postgres": entrypoint,
            "redis": entrypoint,
            "minio-volume": {"CHOWN", "DAC_OVERRIDE"},
        }
        for name, service in services().items():
            assert service["cap_drop"] == ["ALL"], name
            assert set(service.get("cap_add", ())) == needed.get(name, set()), name

    def test_only_what_gives_a_volume_away_starts_as_root(self) -> None:
        as_root = {name for name, service in services().items() if service.get("user", "").startswith("0")}
        assert as_root == {"minio-volume"}
        assert services()["minio-volume"]["network_mode"] == "none"
        owner = services()["minio"]["user"]
        assert f"chown -R {owner} /data" in services()["minio-volume"]["command"][0]
        as_images_want = {name for name in set(services()) - of_our_image() if "user" not in services()[name]}
        assert as_images_want == {"postgres", "redis"}, "their entrypoints do"

    def test_every_service_has_the_time_to_end(self) -> None:
        for name, service in services().items():
            match = re.fullmatch(r"(\d+)([sm])", service["stop_grace_period"])
            assert match, name
            assert int(match[1]) * {"s": 1, "m": 60}[match[2]] >= 30, name

    def test_root_credentials_are_minios_and_its_initialisations_alone(self) -> None:
        knows = {
            name: {match["name"] for match in REFERENCE.finditer(json.dumps(service))}
            for name, service in services().items()
        }
        for secret, allowed in {
            "MINIO_ROOT_PASSWORD": {"minio", "minio-init"},
            "UPLOAD_SECRET_ACCESS_KEY": {"minio-init"},
            "MLFLOW_S3_SECRET_ACCESS_KEY": {"minio-init", "mlflow"},
            "MLFLOW_DB_PASSWORD": {"mlflow"},
            "MLFLOW_ADMIN_PASSWORD": {"mlflow", "mlflow-init"},
            "MLFLOW_STAGING_PASSWORD": {"mlflow-init"},
            "MLFLOW_READER_PASSWORD": {"mlflow-init"},
            "POSTGRES_PASSWORD": {"postgres"},
            "AIRFLOW_ADMIN_PASSWORD": {"airflow-init"},
            "GRAFANA_ADMIN_PASSWORD": {"grafana"},
        }.items():
            assert {name for name, secrets in knows.items() if secret in secrets} == allowed, secret
        for name in services():
            is_pipeline = name.startswith("airflow-") or name == "minio-init"
            assert ("AWS_SECRET_ACCESS_KEY" in knows[name]) is is_pipeline, name

    def test_waits_only_for_what_can_become_true(self) -> None:
        for name, service in services().items():
            for other, wait in service.get("depends_on", {}).items():
                awaited = services()[other]
                same_profile = awaited.get("profiles", []) in ([], service.get("profiles"))
                assert same_profile or wait["required"] is False, (name, other)
                if wait["condition"] == "service_healthy":
                    assert "healthcheck" in awaited, (name, other)
                else:
                    assert wait["condition"] == "service_completed_successfully", (name, other)
                    assert awaited["restart"] == "no", (name, other)

    def test_what_stays_up_is_restarted_and_checked(self) -> None:
        for name, service in services().items():
            if service["restart"] != "no":
                assert service["restart"] == "unless-stopped", name
                assert service["healthcheck"]["test"][0] == "CMD", name

    def test_every_variable_says_what_happens_without_it(self) -> None:
        plain = re.sub(r"\$\$|" + REFERENCE.pattern, "", composed())
        assert re.findall(r"\$\{?\w+", plain) == []

    def test_every_variable_is_documented(self) -> None:
        assert references().keys() - VARIABLES.keys() - example_variables().keys() == set()

    def test_secrets_have_no_default_and_are_those_that_make_env_writes(self) -> None:
        required = {name for name, uses in references().items() if any(mark == ":?" for mark, _ in uses)}
        assert required == SECRETS.keys()
        assert all(mark == ":?" for name in required for mark, _ in references()[name])

    def test_no_container_gets_a_password_that_is_written_down(self) -> None:
        named = re.compile(
            r"PASSWORD$|SECRET|FERNET|_CONN|AUTH$|BROKER_URL|RESULT_BACKEND|STORE_URI|USER$|KEY_ID"
        )
        for name, service in services().items():
            for variable, value in service.get("environment", {}).items():
                if named.search(variable):
                    assert ":?" in str(value), (name, variable)

    def test_nor_does_a_file_hold_one(self) -> None:
        configs = yaml.safe_load(composed())["configs"]
        secret = re.compile(r"(?:PASSWORD|requirepass) +(?P<value>.+)")
        found = [match["value"] for one in configs.values() for match in secret.finditer(one["content"])]
        assert len(found) == 3
        assert all(":?" in value for value in found)

    def test_no_secret_is_an_option_of_a_process(self) -> None:
        for name, service in services().items():
            for part in ("command", "healthcheck"):
                used = {match["name"] for match in REFERENCE.finditer(json.dumps(service.get(part, "")))}
                assert used & SECRETS.keys() == set(), (name, part)

    def test_images_are_pinned(self) -> None:
        images = [service["image"] for name, service in services().items() if name not in of_our_image()]
        assert len(images) == 6
        for image in images:
            match = REFERENCE.fullmatch(image)
            assert match, image
            assert re.search(r"@sha256:[0-9a-f]{64}$|:v?\d+\.\d+(\.\d+)?(-\w+)?$", match["rest"]), image

    def test_ports_are_open_on_loopback_only(self) -> None:
        published = [port for service in services().values() for port in service.get("ports", [])]
        assert len(published) == 6
        assert all(port.startswith("127.0.0.1:") for port in published)

    def test_the_local_stack_and_this_one_tune_airflow_alike(self, tmp_path: Path) -> None:
        ports = dict.fromkeys(PORT_VARIABLES, 1)
        local = stack_environment(Home(tmp_path), ports, {})
        theirs = services()["airflow-scheduler"]["environment"]
        tuned = [
            name for name in local if name.startswith(("AIRFLOW__SCHEDULER__", "AIRFLOW__DAG_PROCESSOR__"))
        ]
        assert len(tuned) == 6
        assert {name: theirs[name] for name in tuned} == {name: local[name] for name in tuned}

    def test_every_setting_reaches_every_airflow_component(self) -> None:
        for name, service in services().items():
            if name.startswith("airflow-"):
                expected = VARIABLES.keys() - IN_THE_IMAGE
                assert expected - service["environment"].keys() == set(), name

    def test_the_connection_is_json_that_the_hook_understands(self) -> None:
        raw = services()["airflow-scheduler"]["environment"]["AIRFLOW_CONN_MINIO_DEFAULT"]
        connection = json.loads(REFERENCE.sub(lambda match: match["name"], raw))
        assert connection["conn_type"] == "aws"
        assert connection["login"] == "AWS_ACCESS_KEY_ID"
        assert connection["password"] == "AWS_SECRET_ACCESS_KEY"
        assert connection["extra"]["endpoint_url"] == "MLFLOW_S3_ENDPOINT_URL"


class TestVariables:
    @pytest.fixture
    def defaults(self) -> dict[str, str]:
        settings = load_settings({})
        found = {
            str(field.validation_alias): as_text(getattr(settings, name))
            for name, field in Settings.model_fields.items()
            if field.validation_alias and name != "project_file"
        }
        return {name: found[name] for name in found.keys() - ACCOUNT}

    def test_the_page_has_the_table_of_the_declarations(self) -> None:
        """`make docs` writes it."""
        written = runpy.run_path(str(ROOT / ".ci" / "variables_table.py"))
        assert read("docs/configuration.md") == written["page"]()

    def test_each_is_declared_with_its_purpose(self) -> None:
        for model in (Settings, StackVariables):
            for name, field in variables(model).items():
                assert field.description, name

    def test_compose_passes_the_defaults_of_the_code_or_leaves_them_to_it(
        self, defaults: dict[str, str]
    ) -> None:
        for name in defaults.keys() - SECRETS.keys():
            for _, default in references()[name]:
                assert default in ("", defaults[name]), name

    def test_the_example_shows_the_defaults(self, defaults: dict[str, str]) -> None:
        shown = example_variables()
        assert {name: shown.get(name, "no line") for name in defaults} == defaults
        for name in references().keys() - defaults.keys() - SECRETS.keys():
            assert {rest for _, rest in references()[name]} == {shown[name]}, name

    def test_every_variable_of_the_code_is_declared(self) -> None:
        packages = ("iris_core", "plugins", "devstack", "deploy")
        sources = [path for package in packages for path in (ROOT / package).rglob("*.py")]
        text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
        ours = set(re.findall(r'"(IRIS_[A-Z_]+|MINIO_BIN)"', text)) - {STACK_MARK, COMPONENT_MARK}
        assert ours >= {"IRIS_PROJECT_FILE", "MINIO_BIN", *PORT_VARIABLES.values()}
        declared = {**VARIABLES, **variables(AirflowLogin), **variables(StackVariables)}
        declared |= variables(ProjectChoice)
        assert ours - declared.keys() == set()


class TestImage:
    def test_everything_copied_is_in_the_context_and_nothing_else(self) -> None:
        copied: set[str] = set()
        for line in re.findall(r"^COPY (?!--from)(.+)$", read("Dockerfile"), re.MULTILINE):
            copied |= {path.split("/")[0] for path in line.split()[:-1]}
        ignored, *let_in = [line for line in read(".dockerignore").splitlines() if line[:1] in "!*"][:-2]
        assert ignored == "*"
        assert {line.removeprefix("!") for line in let_in} == copied
        assert all((ROOT / path).exists() for path in copied)

    def test_packages_come_from_the_lock_with_its_hashes(self) -> None:
        text = re.sub(r"^#.*$|\\\n", "", read("Dockerfile"), flags=re.MULTILINE)
        installs = re.findall(r"uv pip install ([^&\n]+)", text)
        assert len(installs) == 2
        assert all("--constraint requirements.lock" in one or "--no-deps /dist/" in one for one in installs)
        assert "no-verify-hashes" not in text

    def test_the_database_drivers_are_locked(self) -> None:
        extras = re.findall(r"--extra (\w+)", read("Dockerfile"))
        assert extras == ["postgres", "celery", "fab", "login", "kubernetes", "statsd", "lineage", "kafka"]
        assert set(extras) <= pyproject()["project"]["optional-dependencies"].keys()
        names = {entry.split("==")[0] for entry in requirements()}
        assert {"psycopg2-binary", "asyncpg", "redis"} <= names
        assert {f"apache-airflow-providers-{name}" for name in ("amazon", "celery", "fab")} <= names

    def test_the_base_is_the_airflow_of_the_lock(self) -> None:
        base = re.search(r"ARG BASE_IMAGE=apache/airflow:([\d.]+)-python3\.\d+\n", read("Dockerfile"))
        assert base
        assert f"\napache-airflow=={base[1]} " in read("requirements.lock")
        assert all(rest in base[0] for _, rest in references()["BASE_IMAGE"])

    def test_it_does_not_run_as_root(self) -> None:
        assert re.findall(r"^USER (.+)$", read("Dockerfile"), re.MULTILINE)[-1] == "50000:0"

    def test_nothing_is_fetched_to_read_the_dockerfile(self) -> None:
        assert "syntax=" not in read("Dockerfile")

    def test_airflows_loader_does_not_see_the_plugin_a_second_time(self) -> None:
        last_stage = read("Dockerfile").split("\nFROM ")[-1]
        assert not re.search(r"^COPY .*plugins", last_stage, re.MULTILINE)
        assert not any("plugins" in str(service.get("volumes", "")) for service in services().values())
        assert pyproject()["project"]["entry-points"]["airflow.plugins"]


class TestLock:
    def test_names_no_index_and_no_address(self) -> None:
        assert re.findall(r"://|index-url|find-links|@ ", read("requirements.lock")) == []

    def test_every_requirement_has_a_version_and_a_hash(self) -> None:
        entries = list(requirements())
        assert len(entries) > 100
        for entry in entries:
            assert re.match(r"[\w.\[\]-]+==\S+", entry), entry[:80]
            assert "--hash=sha256:" in entry, entry[:80]


class TestWorkflow:
    def test_ci_calls_only_make_targets_that_exist(self) -> None:
        jobs = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"].values()
        commands = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
        targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
        for command in commands:
            make, *called = command.replace(" }}", "}}").replace("{{ ", "{{").split()
            assert make == "make"
            assert {word for word in called if "=" not in word} <= targets
        everything = {
            "lint",
            "test-fast",
            "test",
            "test-stack",
            "test-minio",
            "test-compose",
            "image",
            "audit",
        }
        assert everything <= set(" ".join(commands).split())

    def test_actions_are_pinned(self) -> None:
        jobs = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"].values()
        actions = [step["uses"] for job in jobs for step in job["steps"] if "uses" in step]
        assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in actions)

    def test_minio_comes_out_of_the_image_that_compose_runs(self) -> None:
        """`.ci/minio` looks for the one line that begins like this."""
        begin = "${MINIO_IMAGE:-"
        assert f"\\{begin}" in read(".ci/minio")
        assert [line for line in composed().splitlines() if begin in line] == [
            f"    image: {services()['minio']['image']}"
        ]

    def test_ci_runs_every_python_that_the_project_supports(self) -> None:
        matrix = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["fast"]["strategy"]["matrix"]
        prefix = "Programming Language :: Python :: "
        classifiers = pyproject()["project"]["classifiers"]
        named = {item.removeprefix(prefix) for item in classifiers if prefix in item}
        assert set(matrix["python"]) == named

    def test_ci_runs_every_airflow_that_the_project_supports(self) -> None:
        pin = re.search(r'"apache-airflow>=3\.(\d+)\.\d+,<3\.(\d+)"', read("pyproject.toml"))
        locked = re.search(r"^apache-airflow==(3\.\d+)", read("requirements.lock"), re.MULTILINE)
        assert pin
        assert locked
        matrix = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["airflow"]["strategy"]["matrix"]
        run = {locked[1], *(version[:3] for version in matrix["airflow"])}
        assert run == {f"3.{minor}" for minor in range(int(pin[1]), int(pin[2]))}

    def test_hooks_download_nothing(self) -> None:
        hooks = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
        assert [repo["repo"] for repo in hooks] == ["local"]
        assert {hook["language"] for hook in hooks[0]["hooks"]} == {"system"}


class TestWheel:
    def test_its_packages_are_typed(self) -> None:
        packages = pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        assert [package for package in packages if not (ROOT / package / "py.typed").exists()] == []


class TestDocuments:
    def test_the_changelogs_newest_version_is_the_projects(self) -> None:
        versions = re.findall(r"^## \[(\d[^\]]*)\]", read("CHANGELOG.md"), re.MULTILINE)
        assert versions[0] == pyproject()["project"]["version"]
        assert "### Behaviour changes" in read("CHANGELOG.md")

    @pytest.mark.parametrize("path", DOCUMENTS)
    def test_links_lead_somewhere(self, path: str) -> None:
        for target in re.findall(r"\]\((?!https?://)([^)]+)\)", read(path)):
            file, _, anchor = target.partition("#")
            found = (ROOT / path).parent / file if file else ROOT / path
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), target
