"""`make audit`: what it says of an answer and of none; the real pip-audit, a service on the loopback."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 23)


@pytest.fixture(scope="module")
def audit() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("iris_dependency_audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def packages(*vulnerabilities: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": "sound", "version": "1", "vulns": []},
        {"name": "leaky", "version": "2", "vulns": list(vulnerabilities)},
    ]


FOUND = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1"], "description": "…"}


class TestJudge:
    def test_nothing_found(self, audit: ModuleType) -> None:
        assert list(audit.judge(packages(), [], TODAY)) == []

    def test_found(self, audit: ModuleType) -> None:
        assert list(audit.judge(packages(FOUND), [], TODAY)) == ["leaky 2: PYSEC-1, fixed in 2.1."]

    @pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1"])
    def test_accepted(self, audit: ModuleType, name: str) -> None:
        accepted = audit.Accepted(name, "leaky", "only its server is concerned.", TODAY)
        assert list(audit.judge(packages(FOUND), [accepted], TODAY)) == []

    def test_accepted_for_long_enough(self, audit: ModuleType) -> None:
        accepted = audit.Accepted("CVE-1", "leaky", "not used.", date(2026, 11, 22))
        [told] = audit.judge(packages(FOUND), [accepted], TODAY)
        assert told.endswith("It was accepted until 2026-11-22: not used.")

    def test_accepted_of_another_package_or_no_more_there(self, audit: ModuleType) -> None:
        accepted = audit.Accepted("CVE-1", "sound", "not used.", TODAY)
        assert list(audit.judge(packages(FOUND), [accepted], TODAY)) == [
            "leaky 2: PYSEC-1, fixed in 2.1.",
            "sound: CVE-1 is not found any more; remove it from audit-exceptions.toml.",
        ]

    def test_the_file_of_exceptions_can_be_read(self, audit: ModuleType, tmp_path: Path) -> None:
        example = audit.EXCEPTIONS.read_text().split("\n#\n", 1)[1].replace("# ", "")
        path = tmp_path / "exceptions.toml"
        path.write_text(example)
        [read] = audit.read_exceptions(path)
        assert (read.package, read.until) == ("example", date(2027, 1, 31))
        assert all(each.reason for each in audit.read_exceptions())


class Service:
    """OSV's query API, with the answer that a test wants."""

    def __init__(self) -> None:
        self.answer: bytes = b"{}"
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(service.answer)

            def log_message(self, *_: Any) -> None:
                """Keep the test's output clean."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    @property
    def options(self) -> list[str]:
        address = f"http://127.0.0.1:{self.server.server_port}/v1/query"
        return ["--vulnerability-service", "osv", "--osv-url", address]


@pytest.fixture
def service() -> Iterator[Service]:
    found = Service()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(f"leaky==2.0 \\\n    --hash=sha256:{'0' * 64}\n")
    return path


@pytest.fixture
def exceptions(tmp_path: Path) -> Path:
    path = tmp_path / "exceptions.toml"
    path.write_text("")
    return path


@pytest.mark.integration
@pytest.mark.slow
class TestMain:
    def test_sound(
        self, audit: ModuleType, service: Service, lock: Path, exceptions: Path, capsys: Any
    ) -> None:
        assert audit.main(service.options, lock, exceptions) == 0
        assert "1 packages, no known vulnerability" in capsys.readouterr().out

    def test_vulnerable(
        self, audit: ModuleType, service: Service, lock: Path, exceptions: Path, capsys: Any
    ) -> None:
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.1"}]}]
        affected = {"package": {"name": "leaky", "ecosystem": "PyPI"}, "ranges": ranges}
        found = {"id": "PYSEC-1", "published": "2026-01-01T00:00:00Z", "summary": "…", "affected": [affected]}
        service.answer = json.dumps({"vulns": [found]}).encode()
        assert audit.main(service.options, lock, exceptions) == 1
        assert "leaky 2.0: PYSEC-1, fixed in 2.1." in capsys.readouterr().out

    def test_unreachable(self, audit: ModuleType, lock: Path, exceptions: Path, capsys: Any) -> None:
        options = ["--vulnerability-service", "osv", "--osv-url", "http://127.0.0.1:9/v1/query"]
        assert audit.main(options, lock, exceptions) == 2
        told = capsys.readouterr().err
        assert told.startswith("make audit: pip-audit got no answer from the advisory service: ")
        assert "run it where the service can be reached" in told


def test_a_package_that_the_service_does_not_know_is_no_good_news(
    audit: ModuleType, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip-audit itself calls that a success: it is what every mirror without advisories answers."""
    from subprocess import CompletedProcess

    said = json.dumps({"dependencies": [{"name": "leaky", "skip_reason": "not found"}], "fixes": []})
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: CompletedProcess([], 0, said, ""))
    with pytest.raises(audit.Unanswered, match=r"told nothing about 1 of 1 packages \(leaky\)"):
        audit.ask(lock, [])
