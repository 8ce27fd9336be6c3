"""Puts the parts together and starts and stops them."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import moto.moto_server.werkzeug_app as moto_server

from devstack.embedded_s3 import stored
from devstack.embedded_s3.app import EmbeddedS3App
from devstack.embedded_s3.broker import Broker
from devstack.embedded_s3.catalog import Catalog
from devstack.embedded_s3.journal import Journal
from devstack.embedded_s3.server import EmbeddedS3HTTPServer, bound_socket
from iris_core.errors import ConfigError, StackError

_IN_USE = threading.Lock()


class EmbeddedS3:
    """A store on `data_dir`, served on `host` and `port` (0: a free one).

    `start` raises ConfigError without an access key, StackError when the port is taken, the directory is in
    use, its journal unreadable, or this process already hosts a store.
    """

    def __init__(self, data_dir: Path, *, access_key: str, host: str = "127.0.0.1", port: int = 0) -> None:
        self.data_dir = Path(data_dir)
        self._access_key = access_key
        self._address = (host, port)
        self.endpoint_url = ""
        self.broker = Broker()
        self._running = ExitStack()

    def start(self) -> None:
        if not self._access_key:
            raise ConfigError("No access key: set AWS_ACCESS_KEY_ID or give --access-key, e.g. iris.")
        with ExitStack() as undo:
            self._start(undo)
            self._running = undo.pop_all()

    def stop(self) -> None:
        """End all connections, listeners included; empties moto's memory, the data directory stays."""
        self._running.close()

    def _start(self, undo: ExitStack) -> None:
        """Acquire each part and push how it is given back."""
        if not _IN_USE.acquire(blocking=False):
            raise StackError("This process already hosts an embedded store; run the second as a process.")
        undo.callback(_IN_USE.release)
        listener = _listener(*self._address)
        undo.callback(listener.close)
        undo.callback(os.close, _lock_directory(self.data_dir))
        stored.install()
        journal = Journal(self.data_dir)
        undo.callback(journal.close)
        catalog = Catalog(journal)
        undo.callback(catalog.clear)
        catalog.load()
        self.endpoint_url = "http://{}:{}".format(*listener.getsockname()[:2])
        app = EmbeddedS3App(moto_s3_app(), catalog, self.broker, self._access_key, self.endpoint_url)
        server = EmbeddedS3HTTPServer(listener, app.answer)
        undo.callback(server.stop)
        undo.callback(self.broker.close)
        server.start()


@contextmanager
def embedded_s3(
    data_dir: Path, *, access_key: str, secret_key: str, host: str = "127.0.0.1", port: int = 0
) -> Iterator[str]:
    """Run a store in threads of this process; yields its endpoint URL. Errors: see `EmbeddedS3`.

    `secret_key` is what clients will sign with; the store does not verify it. When the block ends, every
    connection is closed and the port is free; the same directory can be served again.
    """
    del secret_key
    store = EmbeddedS3(data_dir, access_key=access_key, host=host, port=port)
    store.start()
    try:
        yield store.endpoint_url
    finally:
        store.stop()


def moto_s3_app() -> Any:
    """moto's S3 and nothing else of moto: no other service, no inspection endpoints, no CORS for everyone."""
    vars(moto_server)["DISABLE_GLOBAL_CORS"] = True
    app = moto_server.create_backend_app("s3")
    app.debug = False
    return app


def _listener(host: str, port: int) -> socket.socket:
    try:
        return bound_socket(host, port)
    except OSError as error:
        raise StackError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Stop what runs there or choose another."
        ) from error


def _lock_directory(data_dir: Path) -> int:
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StackError(
            f"{data_dir} is in use by another embedded store; stop it, or use another --data."
        ) from error
    return lock
