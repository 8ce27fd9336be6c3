"""Tables that surprise the champion: a sound model is not replaced by one that learnt wrong labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from iris_core import models, promotion
from iris_core.errors import ApprovalAwaited, PromotionRefused
from iris_core.ledger import Outcome
from iris_core.ledger.records.gate import Approval, GateEvidence
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.requests import open_requests
from iris_core.ledger.workspace import Workspace
from iris_core.promotion.gate import gate_verdict
from tests.records import expect
from tests.registry import client, train_one

pytestmark = [pytest.mark.integration, pytest.mark.slow]

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
SPECIES = np.array(["setosa", "versicolor", "virginica"])
MEANS = np.array([[5.0, 3.4, 1.5, 0.3], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])
Answers = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def flowers(seed: int, answers: Answers = lambda kinds, _: kinds, rows: int = 600) -> bytes:
    """A table of three kinds; `answers` says what becomes of the labels."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, rows)
    values = np.clip(MEANS[kinds] + rng.normal(0, 0.3, (rows, 4)), [4, 2, 1, 0.1], [8, 4.5, 7, 2.6])
    labels = SPECIES[answers(kinds, rng)]
    table = pl.DataFrame(values.round(3), schema=FEATURES)
    return table.with_columns(species=pl.Series(labels.tolist())).write_csv().encode()


def exchanged(kinds: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return np.asarray(np.array([0, 2, 1])[kinds])


def a_fifth_wrong(kinds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(len(kinds)) < 0.2, rng.integers(0, 3, len(kinds)), kinds)


def staged(workspace: Workspace) -> int | None:
    found = models.staged(workspace.settings)
    return found.version if found else None


def evidence_about(workspace: Workspace, number: int) -> GateEvidence:
    records = workspace.ledger.recent_of(VerdictRecord)
    return next(expect(GateEvidence, r.evidence) for r in records if r.inputs.version == number)


@pytest.mark.parametrize("answers", [exchanged, a_fifth_wrong])
def test_a_human_is_asked_about_wrong_labels(tracked: Workspace, answers: Answers) -> None:
    promotion.promote(tracked, train_one(tracked, flowers(1)))
    suspect = train_one(tracked, flowers(2, answers))

    with pytest.raises(ApprovalAwaited, match=r"the champion is right on \d+% of \d+ rows of this table"):
        promotion.promote(tracked, suspect)

    assert staged(tracked) == 1
    assert promotion.unfinished(tracked) is None
    [request] = open_requests(tracked.ledger)
    found = request.evidence.surprise
    assert found
    assert found.is_suspect
    assert found.own_rows == 600
    assert found.right / found.rows < 0.92 < found.own_right / found.own_rows
    assert found.sentence in request.reason


def test_a_newer_sound_model_closes_the_question_about_a_suspect(tracked: Workspace) -> None:
    promotion.promote(tracked, train_one(tracked, flowers(1)))
    suspect = train_one(tracked, flowers(2, exchanged))
    with pytest.raises(ApprovalAwaited):
        promotion.promote(tracked, suspect)
    assert promotion.promote(tracked, train_one(tracked, flowers(3))).stages
    assert list(open_requests(tracked.ledger)) == []
    verdict = promotion.verdict_on(tracked, suspect)
    assert verdict
    assert verdict.outcome is Outcome.SUPERSEDED
    assert verdict.reason == "nobody had answered when version 3, of newer data, was staged"
    assert promotion.unfinished(tracked) is None
    assert staged(tracked) == 3


def test_labels_that_are_probably_wrong_are_listed_beside_the_question(tracked: Workspace) -> None:
    promotion.promote(tracked, train_one(tracked, flowers(1)))
    table = flowers(2, a_fifth_wrong)
    with pytest.raises(ApprovalAwaited, match=r"\d+ labels are probably wrong, first those of rows \d+"):
        promotion.promote(tracked, train_one(tracked, table))

    [request] = open_requests(tracked.ledger)
    doubts = request.evidence.doubts
    assert doubts
    assert 60 < doubts.count < 100
    assert len(doubts.worst) == 50
    lines, sound = table.decode().splitlines(), flowers(2).decode().splitlines()
    wrong = [each for each in doubts.worst if lines[each.row - 1] != sound[each.row - 1]]
    assert len(wrong) >= 45
    assert all(lines[each.row - 1].endswith(each.label) for each in doubts.worst)
    assert sum(sound[each.row - 1].endswith(each.likely) for each in wrong) >= 45
    bucket, key = doubts.uri.removeprefix("s3://").split("?")[0].split("/", 1)
    assert key.startswith("quarantine/")
    listed = tracked.store.get(bucket, key).decode().splitlines()
    assert listed[0] == "row,label,label_probability,likely,likely_probability"
    assert len(listed) == 51


def test_a_human_is_asked_about_a_column_that_knows_the_answer(tracked: Workspace) -> None:
    promotion.promote(tracked, train_one(tracked, flowers(1)))
    table = pl.read_csv(flowers(2))
    codes = table["species"].replace_strict(dict(zip(SPECIES.tolist(), (2.7, 3.3, 3.0), strict=True)))
    leaking = table.with_columns(sepal_width=codes)
    with pytest.raises(ApprovalAwaited, match="sepal_width alone tells 100% of 600 labels"):
        promotion.promote(tracked, train_one(tracked, leaking.write_csv().encode()))
    assert staged(tracked) == 1


def test_a_model_is_compared_with_the_best_earlier_one_too(tracked: Workspace) -> None:
    for seed in (1, 2, 3):
        promotion.promote(tracked, train_one(tracked, flowers(seed)))
    found = evidence_about(tracked, 3)
    assert found.champion
    assert found.anchor
    assert (found.champion.version, found.anchor.version) == (2, 1)
    assert (found.anchor.rows_seen, found.anchor.pairs.rows) == (0, 120)
    assert evidence_about(tracked, 2).anchor is None


@pytest.mark.parametrize("leave", ["version", "files"])
def test_the_best_earlier_one_that_somebody_deleted_holds_no_model(tracked: Workspace, leave: str) -> None:
    registry, name = client(tracked), tracked.settings.names.model
    for seed in (1, 2):
        promotion.promote(tracked, train_one(tracked, flowers(seed)))
    if leave == "version":
        registry.delete_model_version(name, "1")
    else:
        logged = expect(str, registry.get_model_version(name, "1").source).removeprefix("models:/")
        shutil.rmtree(registry.get_logged_model(logged).artifact_location.removeprefix("file://"))
    promotion.promote(tracked, train_one(tracked, flowers(3)))
    assert (staged(tracked), evidence_about(tracked, 3).anchor) == (3, None)


def test_the_best_earlier_one_is_of_this_registry(tracked: Workspace) -> None:
    """An emptied registry counts its versions from 1 again."""
    for seed in (1, 2, 3):
        promotion.promote(tracked, train_one(tracked, flowers(seed)))
    client(tracked).delete_registered_model(tracked.settings.names.model)
    later = [train_one(tracked, flowers(seed)) for seed in (4, 5, 6)]
    for record in later:
        promotion.promote(tracked, record)
    found = next(expect(GateEvidence, r.evidence) for r in tracked.ledger.recent_of(VerdictRecord))
    assert found.anchor
    assert found.slide
    assert (found.anchor.version, found.anchor.run_id) == (1, later[0].run_id)
    assert found.slide.tables == 1


@pytest.mark.parametrize("seed", range(2, 6))
def test_a_sound_table_is_staged_without_a_question(tracked: Workspace, seed: int) -> None:
    promotion.promote(tracked, train_one(tracked, flowers(1)))
    assert promotion.promote(tracked, train_one(tracked, flowers(seed))).stages
    assert staged(tracked) == 2
    found = evidence_about(tracked, 2).surprise
    assert found
    assert found.rows == 600
    assert not found.is_suspect


def test_the_same_table_with_more_rows_is_compared_on_those_that_are_new(tracked: Workspace) -> None:
    first = flowers(1)
    promotion.promote(tracked, train_one(tracked, first))
    more = flowers(2, rows=40).split(b"\n", 1)[1]
    promotion.promote(tracked, train_one(tracked, first + more))
    found = evidence_about(tracked, 2).surprise
    assert found
    assert found.rows == 120 + 40, "the champion's holdout, and what was added"


def test_a_deployment_may_refuse_or_accept(mlflow_db: Path, make_workspace: Callable[..., Workspace]) -> None:
    strict = make_workspace(PROMOTION_ON_SUSPECT="refuse")
    promotion.promote(strict, train_one(strict, flowers(1)))
    with pytest.raises(PromotionRefused, match="labels are wrong, or the world has changed"):
        promotion.promote(strict, train_one(strict, flowers(2, exchanged)))
    assert staged(strict) == 1

    open_to_all = make_workspace(TEAM=strict.settings.team, PROMOTION_ON_SUSPECT="accept")
    verdict = promotion.promote(open_to_all, train_one(open_to_all, flowers(3, exchanged)))
    assert verdict.stages
    assert "labels are wrong, or the world has changed" in verdict.reason


def test_an_approval_does_not_overrule_a_deployment_that_refuses_by_now(
    tracked: Workspace, make_workspace: Callable[..., Workspace]
) -> None:
    promotion.promote(tracked, train_one(tracked, flowers(1)))
    with pytest.raises(ApprovalAwaited):
        promotion.promote(tracked, train_one(tracked, flowers(2, exchanged)))
    strict = make_workspace(TEAM=tracked.settings.team, PROMOTION_ON_SUSPECT="refuse")
    approval = Approval(approved=True, by="jane", at=datetime.now(UTC), reason="it looks right")
    with pytest.raises(PromotionRefused, match="labels are wrong, or the world has changed"):
        promotion.answer(strict, 2, approval)
    assert staged(tracked) == 1


def test_steps_that_each_are_too_small_to_show_are_seen_together(tracked: Workspace) -> None:
    """The third champion is compared with the first on its whole table, and the record holds it."""
    for seed in (1, 2, 3, 4):
        promotion.promote(tracked, train_one(tracked, flowers(seed)))
    third, fourth = evidence_about(tracked, 3).slide, evidence_about(tracked, 4).slide
    assert third
    assert fourth
    assert (third.version, third.champion, third.rows, third.tables) == (1, 2, 600, 1)
    assert (fourth.version, fourth.champion, fourth.all_rows, fourth.tables) == (1, 3, 1200, 2)
    assert not fourth.is_too_long
    [check] = [each for each in gate_verdict(evidence_about(tracked, 4)).checks if each.name == "slide"]
    assert check.sentence.startswith(
        "the champions since version 1 are not shown to have lost more (1200 rows of"
    )
