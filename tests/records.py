"""Records for tests: of the type that they expect, and such as they do not care about."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from iris_core.ledger import Identity, Record
from iris_core.ledger.records import parse
from iris_core.ledger.records.gate import GateEvidence
from iris_core.ledger.records.promotion import AskedRecord, VerdictRecord

FIXTURE = Path(__file__).parent / "fixtures" / "ledger"
Wanted = TypeVar("Wanted", bound=Record)
Expected = TypeVar("Expected")


@cache
def stored() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Every record of the fixture: its key, and its JSON."""
    lines = (FIXTURE / "records.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple((key, body) for key, body in map(json.loads, lines))


@cache
def _samples() -> tuple[Record, ...]:
    return tuple(parse(json.dumps(body).encode()) for _, body in stored())


def like(what: type[Wanted], **given: Any) -> Wanted:
    """A record of this type, made now; `given` takes the place of its content.

    :param given: an `outcome` also chooses the sample; of inputs, outputs and evidence, what is to change.
    """
    wanted = given.get("outcome")
    sample = next(one for one in _samples() if isinstance(one, what) and wanted in (None, one.outcome))
    for part in ("inputs", "outputs", "evidence"):
        if part in given:
            given[part] = getattr(sample, part).model_copy(update=given[part])
    fresh = {"at": datetime.now(UTC), "commit_id": uuid.uuid4().hex}
    return sample.model_copy(update=fresh | given)


def asking(**given: Any) -> AskedRecord:
    """A request to a human about a model without a verdict; `given` takes the place of its content."""
    judged = like(VerdictRecord, outcome="promoted")
    assert isinstance(judged.evidence, GateEvidence)
    assert judged.inputs.trained_at
    content: dict[str, Any] = {
        "identity": Identity.of_request(judged.inputs.run_id or "", judged.inputs.trained_at),
        "by": judged.by,
        "reason": "it passed the gate",
        "inputs": judged.inputs,
        "outputs": AskedRecord.Outputs(answer="iris approve 4 --reason …", may_answer="anybody"),
        "evidence": judged.evidence,
    }
    return AskedRecord(**(content | given))


def expect(what: type[Expected], given: object) -> Expected:
    """`given`, which is of this type."""
    assert isinstance(given, what), f"expected {what.__name__}, found {given!r}"
    return given


def expect_all(what: type[Expected], given: Iterable[object]) -> list[Expected]:
    """The items of `given`, each of this type."""
    return [expect(what, one) for one in given]
