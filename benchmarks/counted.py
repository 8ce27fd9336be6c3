"""A proxy in front of a store that counts the requests to it."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from urllib.parse import parse_qs, unquote, urlsplit

HOP = ("connection", "transfer-encoding", "content-length")


def asked(method: str, path: str) -> str:
    """A request in words: its method (`LIST` for a listing), and its key down to a part with a digit."""
    url = urlsplit(path)
    query = parse_qs(url.query)
    key = unquote(url.path).lstrip("/").partition("/")[2]
    if method == "GET" and ("list-type" in query or "prefix" in query):
        method, key = "LIST", query.get("prefix", [""])[0]
    named = takewhile(lambda part: not any(map(str.isdigit, part)), key.split("/"))
    return f"{method} {'/'.join(named)}"


class Counted(ThreadingHTTPServer):
    """Passes requests on to a store; `counts` has their number by what they are about."""

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
        self.server.counts[asked(self.command, self.path)] += 1
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
