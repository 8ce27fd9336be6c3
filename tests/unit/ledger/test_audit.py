"""Which code an audit record names."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import pytest

from iris_core.ledger.audit import CODE_VERSION_VARIABLE, code_version

pytestmark = pytest.mark.unit


def test_the_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CODE_VERSION_VARIABLE, "sha-1234567")
    assert code_version() == "sha-1234567"


@pytest.mark.parametrize("value", [None, ""])
def test_else_the_installed_package(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv(CODE_VERSION_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(CODE_VERSION_VARIABLE, value)
    try:
        expected = version("iris-mlops-pipelines")
    except PackageNotFoundError:
        expected = "unknown"
    assert code_version() == expected
