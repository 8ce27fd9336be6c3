"""HTTP/1.1 with kept-alive connections, one thread each, around a function that answers requests.

werkzeug's handler closes the connection after each answer because it cannot tell whether the body was read.
This one reads every body before it answers, so it can keep connections.
"""

from __future__ import annotations

import io
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from devstack.embedded_s3.answers import Answer, error

log = logging.getLogger(__name__)

SERVER_NAME = "iris-embedded-s3"


class Handler(MotoRequestHandler):
    """Answers the requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: EmbeddedS3HTTPServer

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        body = self._read_body(environ)
        if body is None:
            self.close_connection = True
            self._send(error("IncompleteBody", environ["PATH_INFO"]))
            return
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        self._call_app(environ)

    def _read_body(self, environ: dict[str, Any]) -> bytes | None:
        """The whole body; None when the client sent less than it announced."""
        source = environ["wsgi.input"]
        if environ.get("wsgi.input_terminated"):
            return b"".join(iter(lambda: source.read(1 << 16), b""))
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = source.read(length) if length else b""
        return body if len(body) == length else None

    def _call_app(self, environ: dict[str, Any]) -> None:
        try:
            answer = self.server.answer(environ)
        except Exception:
            # The edge of the server: one failed call must not take the connection's thread along.
            log.exception("%s %s failed", self.command, self.path)
            answer = error("InternalError", environ["PATH_INFO"])
        try:
            self._send(answer)
        finally:
            getattr(answer.body, "close", lambda: None)()

    def _send(self, answer: Answer) -> None:
        code, _, reason = answer.status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in answer.headers:
            self.send_header(name, value)
        empty = self.command == "HEAD" or code in ("204", "304")
        chunked = self._announce_body(answer, empty)
        self.end_headers()
        if not empty:
            self._send_body(answer.body, chunked)

    def _announce_body(self, answer: Answer, empty: bool) -> bool:
        """Say how the client finds the end of the body; True for chunks."""
        if empty or answer.header("Content-Length") is not None:
            return False
        chunked = self.request_version >= "HTTP/1.1"
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.close_connection = True
        return chunked

    def _send_body(self, body: Iterable[bytes], chunked: bool) -> None:
        for data in body:
            if data:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def version_string(self) -> str:
        return SERVER_NAME

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002
        log.info("%s %s %s", self.command, self.path, code)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: ARG002
        log.warning(message, *args)


class EmbeddedS3HTTPServer(ThreadedWSGIServer):
    """Serves on a bound, listening socket; `stop` ends every connection.

    `answer` takes a WSGI environ whose `wsgi.input` holds the complete body.
    """

    def __init__(self, listener: socket.socket, answer: Callable[[dict[str, Any]], Answer]) -> None:
        host, port = listener.getsockname()[:2]
        super().__init__(host, port, _no_wsgi, Handler, fd=listener.fileno())
        self.answer = answer
        listener.close()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name=SERVER_NAME, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        with self._open_lock:
            still_open = list(self._open)
        for connection in still_open:
            _end(connection)

    def _serve(self) -> None:
        self.serve_forever(poll_interval=0.02)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def bound_socket(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError when the address is taken."""
    return socket.create_server((host, port), backlog=256)


def _no_wsgi(_environ: Any, _start_response: Any) -> Iterable[bytes]:
    raise NotImplementedError("Handler answers without WSGI")
