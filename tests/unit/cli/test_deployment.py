"""Which deployment a command is about."""

from __future__ import annotations

import pytest

from iris_core.cli import extensions
from iris_core.cli.deployment import deployed_projects

pytestmark = pytest.mark.unit

LOCAL = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:1", "MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:2"}


@pytest.mark.parametrize(
    ("running", "shell", "noted"),
    [
        (LOCAL, {"MLFLOW_TRACKING_URI": "https://ann:secret@mlflow.example"}, "MLFLOW_TRACKING_URI"),
        (LOCAL, {"MLFLOW_S3_ENDPOINT_URL": "https://minio.example"}, "MLFLOW_S3_ENDPOINT_URL"),
        (LOCAL, LOCAL, ""),
        (LOCAL, {}, ""),
        (None, {"MLFLOW_TRACKING_URI": "https://mlflow.example"}, ""),
    ],
)
def test_a_shell_with_another_address_is_told_that_the_local_stack_counts(
    running: dict[str, str] | None,
    shell: dict[str, str],
    noted: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in LOCAL:
        monkeypatch.delenv(name, raising=False)
    for name, value in shell.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(extensions, "running_environment", lambda: running)
    deployed_projects()
    told = capsys.readouterr()
    assert told.out == ""
    assert bool(told.err) is bool(noted)
    assert noted in told.err
    assert "secret" not in told.err
