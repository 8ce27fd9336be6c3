"""No secret in a repr, an error, or what is stored of one."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

import pytest

from iris_core.errors import ConfigError, IrisError
from iris_core.ledger.workspace import access_from_settings, open_workspace
from iris_core.models import tracking
from iris_core.settings.masking import masked, secrets_of
from iris_core.settings.variables import Settings, load_settings
from iris_core.store.objects import ObjectStore

KEY = "planted-store-secret"
TOKEN = "planted-webhook-token"
SLACK = "planted-slack-token"
PASSWORD = "planted-mlflow-password"
PLANTED = (KEY, TOKEN, SLACK, PASSWORD)
ENVIRON = {
    "AWS_ACCESS_KEY_ID": "iris",
    "AWS_SECRET_ACCESS_KEY": KEY,
    "MLFLOW_TRACKING_USERNAME": "iris",
    "MLFLOW_TRACKING_PASSWORD": f'"{PASSWORD}"\r',
    "DRIFT_ALERT_WEBHOOK": f"https://alerts.example.org/hook?token={TOKEN}",
    "DRIFT_ALERT_SLACK": f"https://hooks.slack.example/services/T000/B000/{SLACK}",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    "MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9",
}


@pytest.fixture
def settings() -> Settings:
    return load_settings(ENVIRON)


def shown(error: BaseException) -> str:
    """All that a log or a crash tells of an error."""
    return "".join(traceback.format_exception(error)) + repr(error)


def assert_clean(text: str) -> None:
    assert not [secret for secret in PLANTED if secret in text], text


def test_reprs(settings: Settings) -> None:
    workspace = open_workspace(settings, access_from_settings(settings))
    store = workspace.store
    store._bucket("a-bucket")
    parts = (
        settings,
        workspace,
        workspace.store,
        store.access,
        workspace.ledger,
        store.admin,
        store._buckets,
    )
    for part in parts:
        for text in (repr(part), str(part), f"{part}"):
            assert_clean(text)
    assert_clean(settings.model_dump_json())
    assert_clean(str(settings.model_dump()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"MLFLOW_TRACKING_URI": f"http://user:{PASSWORD}@mlflow:5000"},
        {"MLFLOW_S3_ENDPOINT_URL": f"http://user:{PASSWORD}@minio:9000"},
        {"DRIFT_ALERT_WEBHOOK": f"alerts.example.org/{TOKEN}"},
        {"DRIFT_ALERT_SLACK": f"ftp://hooks.slack.example/{SLACK}"},
        {"TEAM": "Not A Team"},
        {"DRIFT_WINDOW": "1", "DRIFT_VIOLATIONS": "2"},
        {"TEAM_S3_TEST_KEY": "iris/", "TEAM_S3_TRAIN_KEY": "iris/iris_train.csv"},
    ],
    ids=lambda wrong: "+".join(wrong),
)
def test_errors_of_settings(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({**ENVIRON, **wrong})
    assert_clean(shown(caught.value))


@pytest.mark.integration
def test_errors_of_mlflow_and_store(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "the client replaces it")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(IrisError) as caught, tracking.asking("Asking", settings):
        tracking.client(settings).get_registered_model("a_model")
    assert_clean(shown(caught.value))
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == PASSWORD
    store = ObjectStore(access_from_settings(settings))
    calls: list[Callable[[], object]] = [
        lambda: store.get("a-bucket", "a-key"),
        lambda: list(store.keys("a-bucket", "a")),
        lambda: store.ensure_bucket("a-bucket", versioned=True),
    ]
    for call in calls:
        with pytest.raises(IrisError) as caught:
            call()
        assert_clean(shown(caught.value))


def test_what_is_masked(settings: Settings) -> None:
    known = secrets_of(settings)
    logged = (
        f"{KEY} https://alerts.example.org:443 'POST /hook?token={TOKEN} HTTP/1.1' 200, "
        f"/services/T000/B000/{SLACK} and {PASSWORD}"
    )
    expected = "*** https://alerts.example.org:443 'POST *** HTTP/1.1' 200, *** and ***"
    assert masked(logged, known) == expected
    assert list(map(len, known)) == sorted(map(len, known), reverse=True)


def test_a_bare_address_masks_no_slash() -> None:
    settings = load_settings({"DRIFT_ALERT_WEBHOOK": "http://127.0.0.1:8080/"})
    assert secrets_of(settings) == ("http://127.0.0.1:8080/",)
