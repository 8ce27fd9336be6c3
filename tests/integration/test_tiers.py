"""Tiers are what their names say: a unit test that leaves its process fails, each test has one tier."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real_minio import wait_until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
CONFTEST = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.tiers import *"
LEAVES = {
    "a_process": "import subprocess; subprocess.run(['true'], check=True)",
    "a_fork": "import os; pid = os.fork(); os._exit(0) if pid == 0 else os.waitpid(pid, 0)",
    "a_shell": "import os; os.system('true')",
    "a_port": "import socket; socket.socket().bind(('127.0.0.1', 0))",
    "a_call": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "kept_to_itself": "import socket, contextlib\n    with contextlib.suppress(BaseException): "
    "socket.create_connection(('127.0.0.1', 9))",
    "in_a_thread": "import os, threading\n    thread = threading.Thread(target=os.system, args=('true',))\n"
    "    thread.start(); thread.join()",
    "in_a_fixture": "request.getfixturevalue('started')",
}
FIXTURE = """
import pytest

@pytest.fixture
def started():
    import subprocess
    subprocess.run(["true"], check=True)
"""


def outcomes(folder: Path, tests: str) -> str:
    """What pytest says of a module of tests below a folder."""
    folder.mkdir(parents=True)
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "test_it.py").write_text(tests, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n unit:\n integration:\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "--tb=line", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_unit_test_that_leaves_its_process_fails(tmp_path: Path) -> None:
    tests = [f"@pytest.mark.unit\ndef test_{name}(request):\n    {body}\n" for name, body in LEAVES.items()]
    said = outcomes(tmp_path / "unit", FIXTURE + "\n".join([*tests, "def test_plain(): assert True"]))
    failed = set(re.findall(r"^(?:FAILED|ERROR) .*::test_(\w+)", said, re.MULTILINE))
    assert failed == set(LEAVES), said


def test_others_may(tmp_path: Path) -> None:
    tests = [
        f"@pytest.mark.integration\ndef test_{name}(request):\n    {LEAVES[name]}\n"
        for name in ("a_process", "a_fork", "a_port")
    ]
    assert "3 passed" in outcomes(tmp_path / "integration", FIXTURE + "\n".join(tests))


@pytest.mark.parametrize(
    ("folder", "tests", "sentence"),
    [
        ("elsewhere", "def test_a(): pass", "has no tier"),
        ("unit", "@pytest.mark.unit\n@pytest.mark.integration\ndef test_a(): pass", "one tier each"),
        (
            "unit",
            "@pytest.fixture\ndef store_access(): pass\ndef test_a(store_access): pass",
            "no unit tests: .*test_a",
        ),
    ],
)
def test_a_tier_that_cannot_be_is_refused(tmp_path: Path, folder: str, tests: str, sentence: str) -> None:
    said = outcomes(tmp_path / folder, f"import pytest\n{tests}\n")
    assert re.search(sentence, said), said
    assert "passed" not in said


SERVING = """
import pathlib, time
import pytest

@pytest.fixture
def server():
    yield
    pathlib.Path("down").touch()

@pytest.mark.integration
def test_long(server):
    pathlib.Path("up").touch()
    time.sleep(60)
"""


def test_a_run_that_is_told_to_end_tears_its_fixtures_down(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(SERVING, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n integration:\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until((tmp_path / "up").exists, 60)
        run.terminate()
        run.wait(60)
    finally:
        run.kill()
    assert (tmp_path / "down").exists()
