"""A proxy in front of a store that counts the requests to it."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP = ("connection", "transfer-encoding", "content-length")


class Counted(ThreadingHTTPServer):
    """Passes requests on to a store; `counts` has their number by method, and `LIST` for listings."""

    daemon_threads = True

    def __init__(self, store: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.store = urlsplit(store)
        self.counts: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Counted

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _pass(self) -> None:
        is_listing = self.command == "GET" and ("list-type=" in self.path or "versions=" in self.path)
        self.server.counts["LIST" if is_listing else self.command] += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        store = http.client.HTTPConnection(self.server.store.netloc, timeout=60)
        # The signature covers the name of the host that the client sees.
        store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            store.putheader(name, value)
        store.endheaders(body or None)
        answer = store.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        told = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", told or "0")
        self.end_headers()
        self.wfile.write(content)
        store.close()


for _method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
    setattr(_Passing, f"do_{_method}", _Passing._pass)


@contextmanager
def counted(store: str) -> Iterator[Counted]:
    """Run such a proxy in a thread until the block ends."""
    with Counted(store) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
