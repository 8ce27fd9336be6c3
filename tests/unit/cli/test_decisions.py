"""`iris ledger`: what a key or a reason holds is text, not markup; what is no time is refused."""

from __future__ import annotations

import pytest
import typer
from rich.text import Text

from iris_core.cli.decisions import _row, _time
from iris_core.ledger.records.objects import RejectedRecord
from tests.records import like

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", ["a[/].csv", "[final].csv", "[red]", "[/dim]", "back\\"])
def test_a_key_with_brackets(name: str) -> None:
    about = like(RejectedRecord).about.model_copy(update={"key": name})
    inputs = like(RejectedRecord).inputs.model_copy(update={"object": about})
    record = like(RejectedRecord).model_copy(update={"inputs": inputs, "reason": f"what {name} holds"})
    assert Text.from_markup(_row(record)[-1]).plain == f"{name} what {name} holds"


@pytest.mark.parametrize("text", ["noon", "0001-01-01T00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_what_is_no_time_here_or_in_utc(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a time"):
        _time(text)
