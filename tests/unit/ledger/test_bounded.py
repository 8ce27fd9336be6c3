"""What a record or an XCom holds stays below 64 KB, whatever comes in, and is still a record."""

from __future__ import annotations

import json
from typing import Any, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from iris_core.ledger import Record
from iris_core.ledger.bounded import MOST_BYTES, fitted
from iris_core.ledger.ledger import _fitting
from iris_core.ledger.records import parse
from tests.records import stored

pytestmark = pytest.mark.unit

LONG = "a name that nobody would type: " * 8
XCOM = 65_536

texts = st.sampled_from(["", "ä", "x" * 300, LONG * 40])
values = st.recursive(
    texts | st.integers() | st.none(),
    lambda inner: (
        st.builds(lambda item, size: [item] * size, inner, st.integers(0, 60))
        | st.builds(lambda item, size: {f"{LONG}{n}": item for n in range(size)}, inner, st.integers(0, 60))
    ),
    max_leaves=4,
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from("abcd"), values, max_size=4))
def test_any_content_fits_and_what_fits_is_left_alone(content: dict[str, Any]) -> None:
    shorter, left = fitted({"evidence": content})
    assert len(json.dumps(shorter, indent=1)) + len(json.dumps(left, indent=1)) <= MOST_BYTES
    assert (shorter == {"evidence": content}) == (left == {})


def test_what_is_left_out_is_counted() -> None:
    content: dict[str, Any] = {
        "columns": [f"{LONG}{n}" for n in range(5_000)],
        "rows": 7,
        "counts": {f"{n}{LONG}": n for n in range(3_000)},
    }
    shorter, left = fitted(content)
    assert shorter["rows"] == 7
    assert len(shorter["columns"]) + left["columns"] == 5_000
    assert len(shorter["counts"]) + left["counts"] == 3_000
    assert shorter["columns"] == content["columns"][: len(shorter["columns"])]


def inflated(value: Any) -> Any:
    """The same with 3,000 of whatever it has lists and mappings of, under long names."""
    if isinstance(value, BaseModel):
        given = {}
        for name, field in type(value).model_fields.items():
            held = getattr(value, name)
            given[name] = held if name not in value.model_fields_set else inflated(held)
            if get_origin(field.annotation) is dict and held:
                entry = next(iter(held.values()))
                given[name] = {f"{number} {LONG}": entry for number in range(3_000)}
        return value.model_copy(update=given)
    if isinstance(value, tuple) and value:
        return tuple(value[0] for _ in range(3_000))
    return value


def samples() -> list[Record]:
    """The largest record of each type and outcome."""
    found: dict[tuple[type[Record], str], Record] = {}
    for _, body in sorted(stored(), key=lambda one: len(json.dumps(one[1]))):
        record = parse(json.dumps(body).encode())
        found[type(record), record.outcome] = record
    return list(found.values())


@pytest.mark.parametrize("record", samples(), ids=lambda it: f"{it.kind}-{it.outcome}")
def test_every_record_fits_and_is_read(record: Record) -> None:
    large = record.model_copy(
        update={
            "reason": LONG * 1_000,
            "inputs": inflated(record.inputs),
            "outputs": inflated(record.outputs),
            "evidence": inflated(record.evidence),
        }
    )
    shorter, body = _fitting(large)
    assert len(body) <= MOST_BYTES + 1_000 < XCOM
    assert parse(body) == shorter
    assert type(shorter) is type(record)
    assert (shorter.identity, shorter.at, shorter.commit_id) == (record.identity, record.at, record.commit_id)
    assert shorter.left_out["reason"] == len(LONG) * 1_000 - len(shorter.reason)
