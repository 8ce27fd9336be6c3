"""What Airflow learns about the provider: by its schema, and everything named is there."""

from __future__ import annotations

import importlib
import json
import pkgutil
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager

import iris_provider_minio
from iris_provider_minio.provider import get_provider_info

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
NAME = "iris-airflow-provider-minio"
INFO = get_provider_info()
ALWAYS = {part: told for part, told in INFO.items() if part != "queues"}
"""A queue needs Airflow's common messaging provider."""


def named(value: Any) -> Iterator[str]:
    """Every dotted name of ours in the information."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from named(item)
    elif str(value).startswith("iris_provider_minio."):
        yield value


def test_airflow_finds_it_by_its_entry_point() -> None:
    [found] = [
        one for one in entry_points(group="apache_airflow_provider") if one.dist and one.dist.name == NAME
    ]
    assert found.load() is get_provider_info
    assert ProvidersManager().providers[NAME].version == version(NAME) == iris_provider_minio.__version__


def test_the_main_package_asks_for_this_version() -> None:
    [project, provider] = [
        tomllib.loads((ROOT / path).read_text(encoding="utf-8"))["project"]
        for path in ("pyproject.toml", "provider/pyproject.toml")
    ]
    assert f"{NAME}=={provider['version']}" in project["dependencies"]
    assert provider["version"] == iris_provider_minio.__version__


def test_it_is_by_airflows_schema() -> None:
    schema = Path(airflow.__file__).with_name("provider_info.schema.json")
    jsonschema.validate(INFO, json.loads(schema.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", sorted(set(named(ALWAYS))))
def test_what_it_names_is_there(name: str) -> None:
    assert pkgutil.resolve_name(name)


@pytest.mark.parametrize("folder", ["hooks", "operators", "sensors", "triggers"])
def test_it_names_every_module_that_people_use(folder: str) -> None:
    inside = {"awaited", "declared", "confirmed"}
    package = importlib.import_module(f"iris_provider_minio.{folder}")
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)} - inside
    assert {name.rsplit(".", 1)[-1] for name in named(INFO[folder])} == modules


def test_it_names_every_notifier() -> None:
    package = importlib.import_module("iris_provider_minio.notifiers")
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert {name.split(".")[2] for name in INFO["notifications"]} == modules


def test_the_form_of_a_connection() -> None:
    manager = ProvidersManager()
    assert [one["connection-type"] for one in INFO["connection-types"]] == ["minio", "mlflow"]
    assert manager.field_behaviours["minio"]["relabeling"] == {
        "login": "Access key",
        "password": "Secret key",
    }
    shown = {key for key in manager.connection_form_widgets if key.startswith("extra__minio__")}
    assert shown == {"extra__minio__endpoint_url", "extra__minio__region_name"}


def test_its_asset_uris_are_kept_as_they_are() -> None:
    from airflow.sdk import Asset

    assert Asset("minio://bucket/Some//key?x=1").uri == "minio://bucket/Some//key?x=1"
