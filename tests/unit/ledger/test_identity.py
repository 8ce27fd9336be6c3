"""Identities from text that others chose: no part of a key becomes two, and none leaves its folder."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from iris_core.ledger import Identity, ModelRef, Variant
from iris_core.ledger.model import in_a_key

RUN_IDS = ("~/x", "a/b/c/d/e", "..", "ab+cd123", "", "run\n1", "é" * 9, "0a1b2c3d4e5f", "x" * 400)


@pytest.mark.parametrize("run_id", RUN_IDS)
def test_any_run_id_is_one_part_of_a_path(run_id: str) -> None:
    model = ModelRef(name="iris", version=3, run_id=run_id)
    rollback = Identity.of_rollback(in_a_key(run_id or "version-3"), datetime.now(UTC))
    scored = Identity("scoring", rollback.day, "0a1b", Variant(model.variant))

    for identity in (rollback, scored):
        assert Identity.parse(identity.path) == identity
    assert scored.model_variant == model.variant
    assert model.variant.startswith("v3-")


def test_a_plain_run_id_stays_what_it_was() -> None:
    assert ModelRef(name="iris", version=3, run_id="0a1b2c3d4e5f").variant == "v3-0a1b2c3d"


def test_other_run_ids_have_other_variants() -> None:
    variants = {ModelRef(name="iris", version=3, run_id=run_id).variant for run_id in RUN_IDS}
    assert len(variants) == len(RUN_IDS)


@pytest.mark.parametrize(
    "path",
    [
        "training/2026-01-01/../v1",
        "training/2026-01-01/./v1",
        "training/2026-01-01//v1",
    ],
)
def test_a_path_that_leaves_its_folder_names_no_record(path: str) -> None:
    with pytest.raises(ValueError, match="not the path"):
        Identity.parse(path)
