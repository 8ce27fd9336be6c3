"""Looks for secrets in everything a run left behind, and in the process table while it ran."""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, quote_plus

import psutil

JWT = re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")
"""A token of Airflow's, whoever it was made for."""


def forms(secret: str) -> set[bytes]:
    """A secret as text holds it: as it is, quoted for URL or JSON, and in base64 wherever it begins there."""
    raw = secret.encode()
    encoded = {base64.b64encode(b"x" * before + raw).rstrip(b"=")[before + 1 : -1] for before in range(3)}
    shown = {
        raw,
        quote(secret, safe="").encode(),
        quote_plus(secret).encode(),
        json.dumps(secret)[1:-1].encode(),
    }
    return shown | {form for form in encoded if len(form) >= 8}


class Search:
    """Where any of the named secrets, or a token of Airflow's, is found."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        assert all(len(secret) >= 12 for secret in secrets.values()), "too short to be told from chance"
        self._forms = {name: forms(secret) for name, secret in secrets.items()}

    def data(self, data: bytes, where: str) -> Iterator[str]:
        """What bytes hold, also when they are packed with gzip."""
        for name, searched in self._forms.items():
            if any(form in data for form in searched):
                yield f"{name} in {where}"
        if found := JWT.search(data):
            yield f"a token ({found[0][:20].decode()}…) in {where}"
        if data.startswith(b"\x1f\x8b"):
            try:
                yield from self.data(gzip.decompress(data), f"{where}, unpacked")
            except (OSError, EOFError, zlib.error):
                return

    def files(self, root: Path, but: Iterable[Path] = ()) -> Iterator[str]:
        """What the files below a folder hold, databases and their journals included."""
        left_out = set(but)
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            if path not in left_out:
                yield from self.data(path.read_bytes(), str(path.relative_to(root)))

    def commands(self, seen: Iterable[str]) -> Iterator[str]:
        """What command lines show to everybody on the machine."""
        for command in seen:
            yield from self.data(command.encode(), f"the command line {command[:200]!r}")


class Commands:
    """Every command line of every process, looked at for as long as the block lasts."""

    def __init__(self, pause_s: float = 0.05) -> None:
        self.seen: set[str] = set()
        self._pause_s = pause_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(self._pause_s):
            for process in psutil.process_iter():
                try:
                    self.seen.add(" ".join((process.name(), *process.cmdline())))
                except (psutil.Error, OSError):
                    continue
