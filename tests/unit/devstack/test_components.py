"""When a component counts as healthy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from devstack.components import API_SERVER, describe_stack
from devstack.home import Home

pytestmark = pytest.mark.integration
USERS, TASKS = "/api/v2/monitor/health", "/execution/health"


@contextmanager
def serving(*paths: str) -> Iterator[int]:
    """A server on the loopback that knows only these paths; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in paths else 503)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.parametrize(("paths", "healthy"), [((USERS, TASKS), True), ((USERS,), False), ((TASKS,), False)])
def test_the_api_server_is_healthy_once_it_answers_tasks_too(
    paths: tuple[str, ...], healthy: bool, tmp_path: Path
) -> None:
    with serving(*paths) as port:
        ports = {"store": 20001, "store-console": 20002, "mlflow": 20003, "airflow": port}
        environ = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "MINIO_BIN": ""}
        parts = describe_stack(Home(tmp_path), ports, environ, lambda: None)
        server = next(part for part in parts if part.name == API_SERVER)
        assert server.healthy(datetime.now(UTC)) is healthy
