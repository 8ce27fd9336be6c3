"""Ask pip-audit about every locked package: `make audit`.

Exit code 0: no known vulnerability beside those that `.ci/audit-exceptions.toml` explains. 1: there is one,
or an exception is out of date. 2: the question was not answered, in whole or in part; nothing is concluded.
What is given as arguments is passed on to pip-audit, such as `--vulnerability-service osv`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
EXCEPTIONS = ROOT / ".ci" / "audit-exceptions.toml"
SHOWN = 5


class Unanswered(Exception):
    """The advisory service was not reached, or does not know some packages."""


@dataclass(frozen=True)
class Accepted:
    """A vulnerability that is known and put up with until a day, for a reason."""

    id: str
    package: str
    reason: str
    until: date


def read_exceptions(path: Path = EXCEPTIONS) -> list[Accepted]:
    """The accepted vulnerabilities; every one gives id, package, reason and until."""
    found = tomllib.loads(path.read_text(encoding="utf-8")).get("exception", [])
    return [Accepted(**each) for each in found]


def ask(lock: Path, options: Sequence[str]) -> list[dict[str, Any]]:
    """What pip-audit knows of each package.

    :raises Unanswered: it could not ask, or was not told about each of them.
    """
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes"]
    command += ["--disable-pip", "--format", "json", "--progress-spinner", "off", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError) as error:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise Unanswered(f"pip-audit got no answer from the advisory service: {lines[-1][:300]}") from error
    silent = [each["name"] for each in packages if "skip_reason" in each]
    if silent or not packages:
        named = ", ".join(silent[:SHOWN]) + (" and others" if len(silent) > SHOWN else "")
        raise Unanswered(
            f"the advisory service told nothing about {len(silent)} of {len(packages)} packages ({named})"
        )
    return packages


def judge(packages: Sequence[Mapping[str, Any]], accepted: Sequence[Accepted], today: date) -> Iterator[str]:
    """A sentence for each thing that somebody has to do."""
    used = set()
    for package in packages:
        for found in package["vulns"]:
            names = {found["id"], *found.get("aliases", ())}
            standing = next((e for e in accepted if e.package == package["name"] and e.id in names), None)
            if standing:
                used.add(standing)
            if standing is None or standing.until < today:
                yield _sentence(package, found, standing)
    for each in accepted:
        if each not in used:
            yield f"{each.package}: {each.id} is not found any more; remove it from {EXCEPTIONS.name}."


def _sentence(package: Mapping[str, Any], found: Mapping[str, Any], standing: Accepted | None) -> str:
    fixed = ", ".join(found.get("fix_versions", ())) or "no version yet"
    since = f" It was accepted until {standing.until}: {standing.reason}" if standing else ""
    return f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}.{since}"


def main(arguments: Sequence[str], lock: Path = LOCK, exceptions: Path = EXCEPTIONS) -> int:
    """Ask, judge, and say it."""
    accepted = read_exceptions(exceptions)
    try:
        packages = ask(lock, arguments)
    except Unanswered as error:
        print(
            f"make audit: {error}. Nothing is known about these packages, neither good nor bad: run it "
            "where the service can be reached (a mirror of the package index usually has no advisories).",
            file=sys.stderr,
        )
        return 2
    problems = list(judge(packages, accepted, date.today()))
    for problem in problems:
        print(problem)
    if problems:
        print(f"Upgrade and lock again, or explain it in .ci/{EXCEPTIONS.name}.")
        return 1
    print(f"{len(packages)} packages, no known vulnerability; {len(accepted)} accepted with a reason.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
