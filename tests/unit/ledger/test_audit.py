"""Which code an audit record names."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from iris_core.ledger.audit import CODE_VERSION_VARIABLE, code_version

pytestmark = pytest.mark.unit

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CODE_VERSION_VARIABLE, "sha-1234567")
    assert code_version() == "sha-1234567"


@pytest.mark.parametrize("value", [None, ""])
def test_else_the_installed_package(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv(CODE_VERSION_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(CODE_VERSION_VARIABLE, value)
    assert code_version() == PROJECT["project"]["version"]


def test_code_that_is_not_installed_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CODE_VERSION_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "path", [])
    assert code_version() == "unknown"
