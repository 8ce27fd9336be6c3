"""The buckets of docker-compose.yml's `minio-init`, on the embedded store."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris_core.config import load_settings
from iris_core.local import buckets
from iris_core.local.embedded_s3 import embedded_s3
from iris_core.storage import ObjectStore
from iris_core.workspace import access_from_settings

pytestmark = pytest.mark.integration


def test_creates_what_the_settings_name_and_may_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with embedded_s3(tmp_path, access_key="iris", secret_key="iris-secret") as endpoint:
        environ = {
            "MLFLOW_S3_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "iris",
            "AWS_SECRET_ACCESS_KEY": "iris-secret",
            "TEAM_DRIFT_BUCKET": "reports",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        assert [buckets.main(), buckets.main()] == [0, 0]
        admin = ObjectStore(access_from_settings(load_settings(environ))).admin
        versioned = {name: admin.get_bucket_versioning(name).status for name in ("team-a-bucket", "reports")}
        assert versioned == {"team-a-bucket": "Enabled", "reports": "Enabled"}
        assert {bucket.name for bucket in admin.list_buckets()} == {"team-a-bucket", "reports", "mlflow"}
    assert "iris-secret" not in capsys.readouterr().out


def test_a_store_that_does_not_answer_is_an_exit_code_and_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "iris")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "iris-secret")
    assert buckets.main() == 1
    assert "no answer from the store" in capsys.readouterr().err
