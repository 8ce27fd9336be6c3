"""`iris ledger`: what a key or a reason holds is text, not markup."""

from __future__ import annotations

import pytest
from rich.text import Text

from iris_core.cli.decisions import _row
from iris_core.ledger.records.objects import RejectedRecord
from tests.records import like

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", ["a[/].csv", "[final].csv", "[red]", "[/dim]", "back\\"])
def test_a_key_with_brackets(name: str) -> None:
    about = like(RejectedRecord).about.model_copy(update={"key": name})
    inputs = like(RejectedRecord).inputs.model_copy(update={"object": about})
    record = like(RejectedRecord).model_copy(update={"inputs": inputs, "reason": f"what {name} holds"})
    assert Text.from_markup(_row(record)[-1]).plain == f"{name} what {name} holds"
