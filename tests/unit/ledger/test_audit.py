"""Which code an audit record names."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from iris_core.ledger.audit import code_version, installed_version
from iris_core.settings.variables import load_settings

pytestmark = pytest.mark.unit

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_variable_wins() -> None:
    assert code_version(load_settings({"IRIS_CODE_VERSION": "sha-1234567"})) == "sha-1234567"


@pytest.mark.parametrize("environ", [{}, {"IRIS_CODE_VERSION": ""}])
def test_else_the_installed_package(environ: dict[str, str]) -> None:
    assert code_version(load_settings(environ)) == PROJECT["project"]["version"]


def test_code_that_is_not_installed_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings({})
    monkeypatch.setattr(sys, "path", [])
    installed_version.cache_clear()
    try:
        assert code_version(settings) == "unknown"
    finally:
        installed_version.cache_clear()
