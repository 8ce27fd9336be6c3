"""A store that cuts connections, as MinIO does after a refused write, costs a writer nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from iris_core.errors import StoreError
from iris_core.store.objects import ObjectStore, StoreAccess

pytestmark = pytest.mark.integration

MINE, OTHER = b"mine", b"other"
TAKEN, REFUSED, CUT = 200, 412, 0


@contextmanager
def store(answers: list[int], content: bytes = b"") -> Iterator[ObjectStore]:
    """A store that answers writes so, one after the other, and reads with this content."""
    left = iter(answers)

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status = next(left)
            if status == CUT:
                self.close_connection = True
            else:
                self.answer(status, b"")

        def do_GET(self) -> None:
            self.answer(200, content)

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"e"')
            self.send_header("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield ObjectStore(StoreAccess(f"http://127.0.0.1:{server.server_port}", "key", "secret"))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("answers", "content", "won"),
    [
        ([TAKEN], b"", True),
        ([REFUSED], MINE, False),
        ([CUT, TAKEN], b"", True),
        ([CUT, CUT, TAKEN], b"", True),
        ([CUT, REFUSED], MINE, True),
        ([CUT, REFUSED], OTHER, False),
    ],
)
def test_who_has_won(answers: list[int], content: bytes, won: bool) -> None:
    with store(answers, content) as found:
        assert found.create("bucket", "key", MINE, "text/plain") is won
    with store(answers, content) as found:
        assert found.replace("bucket", "key", bytearray(MINE), "text/plain", "etag") is won


def test_a_store_that_always_cuts_is_named() -> None:
    with store([CUT] * 10) as found, pytest.raises(StoreError, match="s3://bucket/key: no answer"):
        found.create("bucket", "key", MINE, "text/plain")
