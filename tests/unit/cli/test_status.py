"""`iris status --json`: the page documents every field, and every field stays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from iris_core.overview import Overview

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_fields_are_those_of_the_page() -> None:
    table = PAGE[PAGE.index("| field | holds |") : PAGE.index("Everything that was read from the ledger")]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(documented) == sorted(Overview.model_fields)
