"""The HTTP server with a function instead of a store behind it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from devstack.embedded_s3.answers import Answer
from devstack.embedded_s3.server import EmbeddedS3HTTPServer, bound_socket

pytestmark = pytest.mark.integration


def echo(environ: dict[str, Any]) -> Answer:
    """The request's body; in chunks for /chunks, an exception for /fail."""
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/fail":
        raise ValueError("broken")
    length = [] if environ["PATH_INFO"] == "/chunks" else [("Content-Length", str(len(body)))]
    return Answer("200 OK", length, [body[:2], b"", body[2:]])


@pytest.fixture
def server() -> Iterator[EmbeddedS3HTTPServer]:
    server = EmbeddedS3HTTPServer(bound_socket("127.0.0.1", 0), echo)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: EmbeddedS3HTTPServer) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    yield client
    client.close()


def exchange(
    client: http.client.HTTPConnection, method: str, path: str, body: Any = None
) -> tuple[int, bytes]:
    client.request(method, path, body=body, encode_chunked=True)
    answer = client.getresponse()
    return answer.status, answer.read()


def test_one_connection_serves_every_kind_of_answer(client: http.client.HTTPConnection) -> None:
    client.connect()
    connection = client.sock
    assert exchange(client, "PUT", "/k", b"hello") == (200, b"hello")
    assert exchange(client, "PUT", "/chunks", b"hello") == (200, b"hello")
    assert exchange(client, "PUT", "/k", iter([b"hel", b"lo"])) == (200, b"hello")
    assert exchange(client, "HEAD", "/k", b"hello") == (200, b"")
    status, body = exchange(client, "PUT", "/fail", b"hello")
    assert (status, b"<Code>InternalError</Code>" in body) == (500, True)
    assert exchange(client, "GET", "/k") == (200, b"")
    assert client.sock is connection


def test_stop_ends_idle_connections_and_frees_the_port() -> None:
    server = EmbeddedS3HTTPServer(bound_socket("127.0.0.1", 0), echo)
    server.start()
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    assert exchange(client, "GET", "/k") == (200, b"")
    assert client.sock is not None
    server.stop()
    assert client.sock.recv(1) == b""
    client.close()
    bound_socket("127.0.0.1", server.port).close()


def test_a_hanging_client_blocks_nobody(
    server: EmbeddedS3HTTPServer, client: http.client.HTTPConnection
) -> None:
    hanging = http.client.HTTPConnection("127.0.0.1", server.port)
    hanging.putrequest("PUT", "/k")
    hanging.putheader("Content-Length", "5")
    hanging.endheaders()
    before = threading.active_count()
    assert exchange(client, "PUT", "/k", b"hello") == (200, b"hello")
    assert threading.active_count() >= before
    hanging.close()
