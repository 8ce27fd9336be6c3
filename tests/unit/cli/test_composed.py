"""The stack of docker-compose.yml as this machine sees it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.env_file import read_env, write_env
from iris_core.cli import composed as module
from iris_core.cli.composed import DECIDER, composed
from iris_core.errors import ConfigError
from iris_core.ledger.workspace import access_from_settings

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    write_env(path)
    return path


def test_published_ports_and_the_user_who_uploads(env_file: Path) -> None:
    written = read_env(env_file)
    env_file.write_text(env_file.read_text() + "AIRFLOW_PORT=18080\nTEAM=team_b\n")
    there = composed(env_file, {"MINIO_PORT": "19000"})
    assert (there.airflow, there.mlflow) == ("http://127.0.0.1:18080", "http://127.0.0.1:5000")
    access = access_from_settings(there.settings)
    assert access.endpoint_url == "http://127.0.0.1:19000"
    assert access.access_key_id == written["UPLOAD_ACCESS_KEY_ID"]
    assert access.secret_access_key == written["UPLOAD_SECRET_ACCESS_KEY"]
    assert there.settings.bucket == "team-b-bucket"
    assert there.settings.tracking_login == ("reader", written["MLFLOW_READER_PASSWORD"])
    assert written["AIRFLOW_ADMIN_PASSWORD"] not in repr(there)
    assert written["MLFLOW_READER_PASSWORD"] not in repr(there)


def test_who_decides_may_stage_and_write_the_ledger(env_file: Path) -> None:
    written = read_env(env_file)
    there = composed(env_file, {}, DECIDER)
    assert access_from_settings(there.settings).access_key_id == written["AWS_ACCESS_KEY_ID"]
    assert access_from_settings(there.settings).secret_access_key == written["AWS_SECRET_ACCESS_KEY"]
    assert there.settings.tracking_login == ("staging", written["MLFLOW_STAGING_PASSWORD"])

    lines = [line for line in env_file.read_text().splitlines() if not line.startswith("MLFLOW_STAGING")]
    env_file.write_text("\n".join(lines))
    assert composed(env_file, {}).settings.tracking_login
    with pytest.raises(ConfigError, match=r"does not set MLFLOW_STAGING_PASSWORD, .* may stage models and"):
        composed(env_file, {}, DECIDER)


def test_another_store_is_the_one_that_env_names(env_file: Path) -> None:
    there = composed(env_file, {"MLFLOW_S3_ENDPOINT_URL": "https://s3.example.org"})
    assert there.settings.s3_endpoint_url == "https://s3.example.org"


def test_the_ports_are_those_of_the_compose_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    published = dict(re.findall(r"127\.0\.0\.1:\$\{(\w+):-(\d+)\}:\d+", text))
    assert published.items() >= module.PORTS.items()


def test_what_is_missing_is_named(env_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no .*/none\. `make env`"):
        composed(tmp_path / "none", {})
    lines = [line for line in env_file.read_text().splitlines() if not line.startswith("UPLOAD_")]
    env_file.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="does not set UPLOAD_ACCESS_KEY_ID"):
        composed(env_file, {})


def test_a_file_that_is_no_text_is_named(env_file: Path) -> None:
    env_file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"\.env is no \.env: its bytes are not UTF-8"):
        composed(env_file, {})
