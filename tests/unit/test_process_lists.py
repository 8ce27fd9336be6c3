"""What the stacks start has no secret among its arguments, where everybody on the machine could read it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from deploy.env_file import SECRETS
from devstack.components import describe_stack
from devstack.home import Home

pytestmark = pytest.mark.unit

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"
STARTED_BY = ("command", "entrypoint", "healthcheck")
SECRET = "planted-0123456789"


def test_compose() -> None:
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    for name, service in services.items():
        text = str([service.get(part) for part in STARTED_BY])
        inserted = set(re.findall(r"(?<!\$)\$\{?([A-Z][A-Z0-9_]*)", text))
        assert inserted & SECRETS.keys() == set(), f"{name}: {inserted & SECRETS.keys()} as an argument"


@pytest.mark.parametrize("store", ["embedded", "minio"])
def test_local_stack(tmp_path: Path, store: str) -> None:
    minio = tmp_path / "minio"
    minio.write_text("#!/bin/sh\n")
    minio.chmod(0o755)
    environ = {"AWS_ACCESS_KEY_ID": "iris", "AWS_SECRET_ACCESS_KEY": SECRET, "PATH": "/nowhere"}
    if store == "minio":
        environ["MINIO_BIN"] = str(minio)
    ports = dict.fromkeys(("airflow", "mlflow", "store", "store-console"), 9)
    components = describe_stack(Home(tmp_path / "home"), ports, environ, lambda: None)
    assert {component.name for component in components} >= {"store", "mlflow", "scheduler"}
    assert not [component.name for component in components if SECRET in " ".join(component.command)]
