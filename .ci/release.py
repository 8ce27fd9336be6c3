"""Whether this checkout can be released: `make release-check`. docs/releasing.md tells the rest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
LOCK = "requirements.lock"


class NotReady(Exception):
    """Something is in the way of a release; the message says what to do."""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command; returns what it wrote.

    :raises NotReady: it failed; quotes the end of what it wrote.
    """
    environ = {**os.environ, "VIRTUAL_ENV": str(BIN.parent), "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=environ, capture_output=True, text=True)
    if done.returncode:
        raise NotReady(
            f"{' '.join(map(str, command))} failed:\n{(done.stdout + done.stderr)[-2000:].strip()}"
        )
    return done.stdout


def uv() -> Path:
    """The uv on the PATH, else the environment's."""
    return Path(shutil.which("uv") or BIN / "uv")


def version() -> str:
    """The project's version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def check_changelog(text: str, version: str) -> None:
    """The newest version is this one, dated, and nothing waits above it.

    :raises NotReady: it is not so.
    """
    waiting, *released = re.split(r"^## \[(?=\d)", text, flags=re.MULTILINE)
    if re.search(r"^- ", waiting, re.MULTILINE):
        raise NotReady("CHANGELOG.md has entries under [Unreleased]: move them below the new version.")
    newest = released[0].splitlines()[0] if released else "none"
    if not re.fullmatch(re.escape(version) + r"\] - \d{4}-\d\d-\d\d", newest):
        raise NotReady(f"CHANGELOG.md's newest version is [{newest}, expected [{version}] - YYYY-MM-DD.")


def _clean() -> None:
    if changed := run("git", "status", "--porcelain").strip():
        raise NotReady(f"The tree is not clean: commit or remove\n{changed}")


def _untagged() -> None:
    if run("git", "tag", "--list", f"v{version()}").strip():
        raise NotReady(f"The tag v{version()} exists: raise the version in pyproject.toml.")


def _changelog() -> None:
    check_changelog((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version())


def _lock() -> None:
    before = (ROOT / LOCK).read_bytes()
    run("make", "lock")
    if (ROOT / LOCK).read_bytes() != before:
        raise NotReady(f"{LOCK} was not what `make lock` makes of pyproject.toml: commit the new one.")


def _lint() -> None:
    run("make", "lint")


def _artifacts() -> None:
    """Build both, install each into an empty environment, and ask `iris` there."""
    with tempfile.TemporaryDirectory() as folder:
        dist = Path(folder) / "dist"
        run(uv(), "build", "--quiet", "--python", sys.executable, "--out-dir", dist)
        built = sorted(path for path in dist.iterdir() if path.suffix in (".whl", ".gz"))
        run(uv(), "build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", dist, "provider")
        [provider] = dist.glob("iris_airflow_provider_minio-*.whl")
        if len(built) != 2:
            raise NotReady(f"Expected a wheel and an sdist, built {[path.name for path in built]}.")
        for number, artifact in enumerate(built):
            _installs(artifact, provider, Path(folder) / f"environment-{number}")


def _installs(artifact: Path, provider: Path, environment: Path) -> None:
    run(uv(), "venv", "--quiet", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    locked = ("--constraint", ROOT / LOCK)
    run(uv(), "pip", "install", "--quiet", "--python", python, *locked, artifact, provider)
    # Outside the checkout, whose packages would answer otherwise.
    shown = run(environment / "bin" / "iris", "--help", cwd=environment)
    if "ledger" not in shown:
        raise NotReady(f"{artifact.name}: `iris --help` shows no command `ledger`:\n{shown}")
    run(python, "-c", "from iris_core.settings import load_project; load_project()", cwd=environment)


CHECKS: dict[str, Callable[[], None]] = {
    "clean tree": _clean,
    "new version": _untagged,
    "changelog": _changelog,
    "lock": _lock,
    "lint": _lint,
    "wheel and sdist": _artifacts,
}


def main() -> int:
    """Run every check, say how each ended; the exit code says whether all are fine."""
    failed = 0
    for name, check in CHECKS.items():
        try:
            check()
        except NotReady as problem:
            failed += 1
            sys.stdout.write(f"✗ {name}: {problem}\n")
        else:
            sys.stdout.write(f"✓ {name}\n")
        sys.stdout.flush()
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
