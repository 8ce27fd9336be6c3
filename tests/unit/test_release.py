"""`make release-check`: what it says of a changelog and of a command that fails."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

RELEASE = runpy.run_path(str(Path(__file__).parents[2] / ".ci" / "release.py"))
NotReady: type[Exception] = RELEASE["NotReady"]
check_changelog: Callable[[str, str], None] = RELEASE["check_changelog"]

HEADING = "# Changelog\n\n## [Unreleased]\n\n"
RELEASED = "## [1.2.0] - 2026-11-25\n\n### Added\n\n- Something.\n\n## [1.1.0] - 2026-10-01\n"


def test_a_released_changelog() -> None:
    check_changelog(HEADING + RELEASED, "1.2.0")


@pytest.mark.parametrize(
    ("text", "version", "said"),
    [
        (HEADING + "### Fixed\n\n- A fault.\n\n" + RELEASED, "1.2.0", r"under \[Unreleased\]: move them"),
        (HEADING + RELEASED, "1.3.0", r"newest version is \[1.2.0\] - 2026-11-25, expected \[1.3.0\]"),
        (HEADING + RELEASED, "1.1.0", r"expected \[1.1.0\]"),
        (HEADING + "## [1.2.0]\n", "1.2.0", "YYYY-MM-DD"),
        (HEADING, "1.2.0", "none"),
    ],
)
def test_what_is_in_the_way(text: str, version: str, said: str) -> None:
    with pytest.raises(NotReady, match=said):
        check_changelog(text, version)
