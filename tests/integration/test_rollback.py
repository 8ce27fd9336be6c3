"""Going back, and what may and may not undo it; staging that somebody or something disturbs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from iris_core import models, promotion, training
from iris_core.errors import NothingOwed, PromotionRefused, RegistryError
from iris_core.history.queries import staged_at, staged_before, story
from iris_core.ledger.model import ModelRef
from iris_core.ledger.records.promotion import RollbackRecord, VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.promotion import staging as registry
from iris_core.promotion.rollback import finish_rollback
from tests.records import expect
from tests.registry import client, train_one

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::FutureWarning"), pytest.mark.slow]

Train = Callable[[int], list[TrainedRecord]]


@pytest.fixture
def train(
    tracked: Workspace, iris_rows: tuple[list[str], list[str]], as_csv: Callable[[list[str]], bytes]
) -> Train:
    """Train that many models, each on other rows than those before; oldest first."""
    sizes = iter(range(120, 0, -5))

    def one() -> TrainedRecord:
        data = as_csv(iris_rows[0][: next(sizes)])
        tracked.store.put(tracked.settings.bucket, tracked.settings.train_key, data, "text/csv")
        work = training.train(tracked, training.reconcile_training(tracked))
        return expect(TrainedRecord, tracked.ledger.get(work.identity))

    return lambda number: [one() for _ in range(number)]


def promoted(workspace: Workspace, records: list[TrainedRecord]) -> list[VerdictRecord]:
    return [promotion.promote(workspace, record) for record in records]


def back(workspace: Workspace, version: int, **kwargs: Any) -> RollbackRecord:
    return promotion.rollback(workspace, version, "it was better", datetime.now(UTC), **kwargs)


def back_and_die(
    workspace: Workspace, version: int, monkeypatch: pytest.MonkeyPatch, where: str = "keep_rollback"
) -> None:
    """Go back, and end after the record is written: by default before anything is carried out."""

    def dies(*_: Any) -> None:
        raise RegistryError("MLflow is away")

    with monkeypatch.context() as patch:
        patch.setattr(registry, where, dies)
        with pytest.raises(RegistryError):
            back(workspace, version)


def staging(workspace: Workspace) -> tuple[list[int], int | None]:
    """Versions in the stage, and the version that the alias names."""
    found = client(workspace).search_model_versions(f"name = '{workspace.settings.names.model}'")
    ref = models.staged(workspace.settings)
    return sorted(int(v.version) for v in found if v.current_stage == "Staging"), ref.version if ref else None


class TestRollback:
    def test_stage_alias_and_ledger(self, tracked: Workspace, train: Train) -> None:
        promoted(tracked, train(3))
        record = back(tracked, 2)
        assert staging(tracked) == ([2], 2)
        assert (record.kind, record.outcome, record.reason) == ("promotion", "rolled back", "it was better")
        assert (record.inputs.version, record.inputs.from_version) == (2, 3)
        assert record.by.owner == "tester"
        standing = staged_at(tracked.ledger, datetime.now(UTC))
        assert standing == record

    def test_the_one_before_is_the_default(self, tracked: Workspace, train: Train) -> None:
        promoted(tracked, train(3))
        assert staged_before(tracked.ledger, 3) == 2
        back(tracked, 2)
        assert staged_before(tracked.ledger, 2) == 3
        back(tracked, 1)
        assert staged_before(tracked.ledger, 1) == 2

    def test_with_nothing_before_a_version_must_be_named(self, tracked: Workspace, train: Train) -> None:
        promoted(tracked, train(1))
        with pytest.raises(PromotionRefused, match="Nothing was staged before version 1"):
            staged_before(tracked.ledger, 1)

    def test_an_old_task_that_runs_again_does_not_undo_it(self, tracked: Workspace, train: Train) -> None:
        records = train(3)
        promoted(tracked, records)
        back(tracked, 1)
        for record in records:
            promotion.register_step(tracked, record.identity.path)
        assert staging(tracked) == ([1], 1)
        client(tracked).delete_model_version_tag(tracked.settings.names.model, "3", models.APPLIED_TAG)
        promotion.register_step(tracked, records[2].identity.path)
        assert staging(tracked) == ([1], 1)

    def test_a_model_approved_later_replaces_it(self, tracked: Workspace, train: Train) -> None:
        promoted(tracked, train(2))
        back(tracked, 1)
        promoted(tracked, train(1))
        assert staging(tracked) == ([3], 3)
        standing = staged_at(tracked.ledger, datetime.now(UTC))
        assert standing is not None
        assert standing.model.version == 3

    def test_back_and_forth(self, tracked: Workspace, train: Train) -> None:
        promoted(tracked, train(2))
        for version in (1, 2, 1):
            back(tracked, version)
            assert staging(tracked) == ([version], version)
        assert len(list(tracked.ledger.recent("promotion", outcome="rolled back"))) == 3

    def test_what_is_staged_already_or_not_there_is_refused(self, tracked: Workspace, train: Train) -> None:
        promoted(tracked, train(2))
        with pytest.raises(PromotionRefused, match=r"Version 2 of .* is already staged"):
            back(tracked, 2)
        with pytest.raises(PromotionRefused, match="has no version 9"):
            back(tracked, 9)

    def test_what_was_never_approved_needs_force(
        self, tracked: Workspace, train: Train, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = train(2)
        promotion.promote(tracked, first)
        monkeypatch.setattr("iris_core.promotion.measurement.FLOOR_LIMIT", 0.0)
        with pytest.raises(PromotionRefused, match="not shown to be better than always"):
            promotion.promote(tracked, second)
        with pytest.raises(PromotionRefused, match=r"Version 2 of .* was refused, not approved.*--force"):
            back(tracked, 2)
        assert staging(tracked) == ([1], 1)
        record = back(tracked, 2, force=True)
        assert record.evidence.forced
        assert staging(tracked) == ([2], 2)

    def test_one_that_died_after_its_record_is_finished_by_the_next_run(
        self, tracked: Workspace, train: Train, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        promoted(tracked, train(2))
        back_and_die(tracked, 1, monkeypatch)
        assert staging(tracked) == ([2], 2)
        with pytest.raises(NothingOwed):
            training.reconcile_training(tracked)
        assert staging(tracked) == ([1], 1)
        client(tracked).set_registered_model_alias(tracked.settings.names.model, "staging", "2")
        finish_rollback(tracked)
        assert staging(tracked)[1] == 2, "what somebody moves by hand afterwards stays moved"

    def test_one_that_died_while_it_staged_is_finished_by_the_next_run(
        self, tracked: Workspace, train: Train, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        promoted(tracked, train(2))
        back_and_die(tracked, 1, monkeypatch, "_set_alias")
        assert staging(tracked) == ([1], 2)
        finish_rollback(tracked)
        assert staging(tracked) == ([1], 1)
        client(tracked).set_registered_model_alias(tracked.settings.names.model, "staging", "2")
        finish_rollback(tracked)
        assert staging(tracked)[1] == 2, "what somebody moves by hand afterwards stays moved"

    def test_of_two_at_the_same_moment_the_later_one_stands(
        self, tracked: Workspace, train: Train, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both see that none is kept; the first one keeps itself last."""
        promoted(tracked, train(3))
        with monkeypatch.context() as patch:

            def late(mlflow_client: Any, name: str, rolled_back: registry.RolledBack) -> None:
                patch.undo()
                back(tracked, 2)
                kept = rolled_back.model_dump_json()
                mlflow_client.set_registered_model_tag(name, registry.ROLLBACK_TAG, kept)

            patch.setattr(registry, "keep_rollback", late)
            back(tracked, 1)
        told = expect(RollbackRecord, staged_at(tracked.ledger, datetime.now(UTC)))
        assert (told.inputs.version, staging(tracked)) == (2, ([2], 2))

    def test_one_that_died_is_finished_also_after_an_older_model_was_approved(
        self, tracked: Workspace, train: Train, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second, third = train(3)
        promoted(tracked, [second, third])
        back_and_die(tracked, 1, monkeypatch)
        promotion.promote(tracked, first)
        finish_rollback(tracked)
        assert staging(tracked) == ([1], 1)

    def test_one_that_died_is_finished_also_after_a_model_was_refused(
        self, tracked: Workspace, train: Train, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        promoted(tracked, train(2))
        back_and_die(tracked, 1, monkeypatch)
        [third] = train(1)
        with monkeypatch.context() as patch:
            patch.setattr("iris_core.promotion.measurement.FLOOR_LIMIT", 0.0)
            with pytest.raises(PromotionRefused):
                promotion.promote(tracked, third)
        finish_rollback(tracked)
        assert staging(tracked) == ([1], 1)

    def test_one_whose_model_somebody_deleted_holds_no_run(self, tracked: Workspace, train: Train) -> None:
        promoted(tracked, train(2))
        back(tracked, 1)
        client(tracked).delete_registered_model(tracked.settings.names.model)
        with pytest.raises(NothingOwed):
            training.reconcile_training(tracked)


class TestDisturbed:
    def test_the_one_trained_last_wins_whatever_its_number(self, tracked: Workspace, train: Train) -> None:
        older, newer = train(2)
        promotion.promote(tracked, newer)
        promotion.promote(tracked, older)
        assert staging(tracked) == ([1], 1)
        assert expect(ModelRef, models.staged(tracked.settings)).run_id == newer.outputs.run_id

    def test_an_older_promotion_that_died_while_it_staged_is_finished(
        self, tracked: Workspace, train: Train
    ) -> None:
        """Its last, late step had put the alias back to itself."""
        first, second = train(2)
        promoted(tracked, [first, second])
        name = tracked.settings.names.model
        client(tracked).set_registered_model_alias(name, "staging", "1")
        client(tracked).delete_model_version_tag(name, "1", models.APPLIED_TAG)
        assert promotion.unfinished(tracked) == first
        promotion.promote(tracked, first)
        assert staging(tracked) == ([2], 2)

    def test_a_version_copied_from_another_deployment_is_not_approved_here(
        self,
        tracked: Workspace,
        make_workspace: Callable[..., Workspace],
        iris_rows: tuple[list[str], list[str]],
        as_csv: Callable[[list[str]], bytes],
    ) -> None:
        """MLflow's button "Promote model" copies the tags, too."""
        prod = make_workspace(TEAM=tracked.settings.team, PLATFORM_ENV="prod")
        name = prod.settings.names.model
        first, second = (train_one(prod, as_csv(iris_rows[0][:rows])) for rows in (120, 119))
        promotion.promote(prod, first)
        promotion.promote(tracked, train_one(tracked, as_csv(iris_rows[0][:118])))
        client(prod).copy_model_version(f"models:/{tracked.settings.names.model}/1", name)
        promotion.promote(prod, second)
        assert staging(prod) == ([3], 3)
        with pytest.raises(PromotionRefused, match=r"Version 2 of .* was never judged, not approved"):
            back(prod, 2)
        assert back(prod, 2, force=True).evidence.forced
        assert staging(prod) == ([2], 2)

    def test_one_registered_by_hand_is_older_than_what_is_approved_after_it(
        self, tracked: Workspace, train: Train
    ) -> None:
        first, second = train(2)
        promotion.promote(tracked, first)
        name = tracked.settings.names.model
        held = expect(str, client(tracked).get_model_version(name, "1").source)
        client(tracked).create_model_version(name, held)
        back(tracked, 2, force=True)
        promotion.promote(tracked, second)
        told = staged_at(tracked.ledger, datetime.now(UTC))
        assert staging(tracked) == ([3], 3)
        assert told is not None
        assert told.model.version == 3

    def test_the_story_is_of_the_last_version_of_its_number(self, tracked: Workspace, train: Train) -> None:
        """An emptied registry counts from 1 again."""
        first, second = train(2)
        promotion.promote(tracked, first)
        client(tracked).delete_registered_model(tracked.settings.names.model)
        promotion.promote(tracked, second)
        told = story(tracked.ledger, 1)
        assert told.training == second
        assert len(told.promotions) == 1

    def test_somebody_moves_stages_meanwhile(self, tracked: Workspace, train: Train) -> None:
        records = train(3)
        promoted(tracked, records[:2])
        name = tracked.settings.names.model
        client(tracked).transition_model_version_stage(name, "1", "Staging")
        client(tracked).transition_model_version_stage(name, "2", "Production")
        promoted(tracked, records[2:])
        assert staging(tracked) == ([3], 3)

    def test_a_slow_registry(self, tracked: Workspace, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every write arrives late and in another order than it was sent."""
        records = train(3)
        delays: Iterator[float] = iter([0.3, 0.0, 0.2, 0.1] * 50)
        lock = threading.Lock()
        real = registry._restage

        def late(*args: Any) -> None:
            with lock:
                delay = next(delays)
            time.sleep(delay)
            real(*args)

        monkeypatch.setattr(registry, "_restage", late)
        start = threading.Barrier(len(records))

        def promote(record: TrainedRecord) -> None:
            start.wait()
            for attempt in range(3):
                try:
                    promotion.promote(tracked, record)
                    return
                except RegistryError:
                    if attempt == 2:
                        raise

        with ThreadPoolExecutor(len(records)) as pool:
            list(pool.map(promote, records))
        [only], alias = staging(tracked)
        newest = models.staged(tracked.settings)
        assert only == alias
        assert newest is not None
        assert newest.run_id == records[-1].outputs.run_id
