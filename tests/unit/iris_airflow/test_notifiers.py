"""Alerts arrive: a real HTTP receiver and a real SMTP conversation, on the loopback."""

from __future__ import annotations

import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from airflow.sdk.execution_time.context import set_current_context

from iris_airflow.notifiers.channels import channels
from iris_core.errors import AlertUndelivered
from iris_core.monitoring.messages import Alert
from iris_core.settings.variables import Settings, load_settings

pytestmark = pytest.mark.integration

ALERT = Alert(
    id="0123456789abcdef",
    severity="high",
    sentence="petal_length <b>is</b> 2.0 standard deviations higher; {{ 7 * 6 }}.",
    columns=("petal_length",),
    model="team_a_dev_iris_model version 3",
    data="s3://team-a-bucket/iris/iris_test.csv",
    report="s3://team-a-bucket/iris/drift/x/report.html",
    violations="2 of the last 3 batches are medium or worse",
    verdict="drift/2026-01-01/abc/verdict",
    team="team_a",
    environment="dev",
)
SECRET = "token-nobody-may-see"


class Receiver:
    """An HTTP server that keeps what it is posted and answers with `status`, `headers` and no body."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.got: list[tuple[str, dict[str, str], Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.got.append((self.path, dict(self.headers), body))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep the test's output clean."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{SECRET}"


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with serving(made.server):
        yield made


@pytest.fixture(autouse=True)
def in_a_task() -> Iterator[None]:
    with set_current_context({}):
        yield


def settings(**variables: str) -> Settings:
    return load_settings(variables)


def test_no_channel_by_default() -> None:
    assert channels(settings()) == {}


def test_webhook(receiver: Receiver) -> None:
    channels(settings(DRIFT_ALERT_WEBHOOK=receiver.url))["webhook"](ALERT)
    [(path, headers, body)] = receiver.got
    assert path == f"/{SECRET}"
    assert headers["Idempotency-Key"] == ALERT.id
    assert body == {**ALERT.model_dump(mode="json"), "title": ALERT.title}


@pytest.mark.parametrize(
    "headers", [{"Content-Length": "9"}, {"Transfer-Encoding": "chunked"}, {"Content-Encoding": "gzip"}]
)
def test_what_was_taken_is_delivered_whatever_the_answers_body(
    receiver: Receiver, headers: dict[str, str]
) -> None:
    receiver.headers = headers
    channels(settings(DRIFT_ALERT_WEBHOOK=receiver.url))["webhook"](ALERT)
    assert len(receiver.got) == 1


def test_a_redirect_to_nowhere_is_told(receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, {"Location": "http://[::1"}
    with pytest.raises(AlertUndelivered, match="does not answer"):
        channels(settings(DRIFT_ALERT_WEBHOOK=receiver.url))["webhook"](ALERT)


def test_slack(receiver: Receiver) -> None:
    channels(settings(DRIFT_ALERT_SLACK=receiver.url))["slack"](ALERT)
    [(_, _, body)] = receiver.got
    assert list(body) == ["text"]
    assert body["text"].startswith("Drift high: team_a_dev_iris_model version 3 (team_a, dev)\npetal_length")
    assert "&lt;b&gt;" in body["text"]
    assert "{{ 7 * 6 }}" in body["text"]  # data is never a template


@pytest.mark.parametrize("status", [302, 404, 500])
def test_any_other_answer_is_told_without_the_address(
    receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = status
    with caplog.at_level(logging.INFO), pytest.raises(AlertUndelivered, match=f"answered {status}") as caught:
        channels(settings(DRIFT_ALERT_WEBHOOK=receiver.url))["webhook"](ALERT)
    assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text


def test_nobody_there_is_told_without_the_address() -> None:
    url = f"http://127.0.0.1:9/{SECRET}"
    with pytest.raises(AlertUndelivered, match=r"127\.0\.0\.1 does not answer") as caught:
        channels(settings(DRIFT_ALERT_WEBHOOK=url))["webhook"](ALERT)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


class Mailbox(socketserver.StreamRequestHandler):
    """As much SMTP as a client needs to hand over a message."""

    got: list[tuple[list[str], str]]

    def handle(self) -> None:
        self._say("220 sink")
        recipients: list[str] = []
        while line := self.rfile.readline().decode().strip():
            verb = line.upper()[:4]
            if verb == "RCPT":
                recipients.append(line.partition("<")[2].rstrip(">"))
            if verb == "DATA":
                self._say("354 go on")
                self.got.append((recipients, self._message()))
            self._say("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                return

    def _message(self) -> str:
        lines = iter(lambda: self.rfile.readline().decode(), ".\r\n")
        return "".join(lines)

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


def test_email(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[tuple[list[str], str]] = []
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), type("Box", (Mailbox,), {"got": got}))
    connection = {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": server.server_address[1],
        "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "iris@example.org"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    with serving(server):
        channels(settings(DRIFT_ALERT_EMAIL="a@example.org,b@example.org"))["email"](ALERT)
    [(recipients, message)] = got
    assert recipients == ["a@example.org", "b@example.org"]
    assert f"Subject: {ALERT.title}" in message
    assert "From: iris@example.org" in message


def test_a_mail_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": 9,
        "extra": {
            "disable_ssl": True,
            "disable_tls": True,
            "from_email": "iris@example.org",
            "retry_limit": 1,
        },
    }
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    with pytest.raises(AlertUndelivered, match="Connection smtp_default"):
        channels(settings(DRIFT_ALERT_EMAIL="a@example.org"))["email"](ALERT)
