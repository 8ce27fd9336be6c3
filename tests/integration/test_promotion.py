"""Registering, judging and staging: one verdict a model, one version staged, also under concurrency."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from iris_core import models, promotion, training
from iris_core.errors import RegistryError
from iris_core.ledger import Identity, Outcome
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from tests.registry import client, train_one

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Train = Callable[[int], list[TrainedRecord]]

ROUNDS = 5
ATTEMPTS = 3
"""A registry that answers with an error is asked again, as Airflow's retries do."""


@pytest.fixture
def train(
    tracked: Workspace, iris_rows: tuple[list[str], list[str]], as_csv: Callable[[list[str]], bytes]
) -> Train:
    """Train that many models, each on other rows; oldest first."""
    return lambda number: [train_one(tracked, as_csv(iris_rows[0][: 120 - 5 * n])) for n in range(number)]


def promote(workspace: Workspace, record: TrainedRecord) -> dict[str, Any]:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return promotion.register_step(workspace, record.identity.path)
        except RegistryError:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError


def staging(workspace: Workspace) -> tuple[list[int], int | None]:
    """Versions in the stage, and the version that the alias names."""
    found = client(workspace).search_model_versions(f"name = '{workspace.settings.names.model}'")
    ref = models.staged(workspace.settings)
    in_stage = sorted(int(version.version) for version in found if version.current_stage == "Staging")
    return in_stage, ref.version if ref else None


class TestOneAfterTheOther:
    def test_the_newer_replaces_the_older(self, tracked: Workspace, train: Train) -> None:
        for number, record in enumerate(train(3), start=1):
            assert promote(tracked, record)["version"] == str(number)
            assert staging(tracked) == ([number], number)
        stages = [
            client(tracked).get_model_version(tracked.settings.names.model, str(number)).current_stage
            for number in (1, 2, 3)
        ]
        assert stages == ["Archived", "Archived", "Staging"]

    def test_repeating_it_changes_nothing(self, tracked: Workspace, train: Train) -> None:
        [record] = train(1)
        first = promote(tracked, record)
        assert promote(tracked, record) == first
        assert staging(tracked) == ([1], 1)
        assert len(list(tracked.ledger.recent("promotion"))) == 1

    def test_what_somebody_moves_by_hand_stays_moved(self, tracked: Workspace, train: Train) -> None:
        first, second = train(2)
        for record in (first, second):
            promote(tracked, record)
        client(tracked).set_registered_model_alias(tracked.settings.names.model, "staging", "1")
        promote(tracked, second)
        assert promotion.unfinished(tracked) is None
        ref = models.staged(tracked.settings)
        assert ref is not None
        assert ref.version == 1

    def test_the_staged_model_leads_back_to_its_training(self, tracked: Workspace, train: Train) -> None:
        [record] = train(1)
        promote(tracked, record)
        ref = models.staged(tracked.settings)
        assert ref is not None
        assert tracked.ledger.get(Identity.parse(ref.training)) == record
        assert ref.run_id == record.outputs.run_id
        assert ref.variant == f"v1-{ref.run_id[:8]}"

    def test_an_older_model_that_is_registered_late_does_not_replace_a_newer_one(
        self, tracked: Workspace, train: Train
    ) -> None:
        """Its registration was retried while the registry was down; the newer one's was not."""
        older, newer = train(2)
        promote(tracked, newer)
        promote(tracked, older)
        ref = models.staged(tracked.settings)
        assert ref is not None
        assert ref.run_id == newer.outputs.run_id


@pytest.mark.filterwarnings("ignore::FutureWarning")
class TestAtOnce:
    """Threads share one list of warning filters, so what one of them ignores another may still see."""

    def test_exactly_one_is_staged_and_the_alias_agrees(
        self,
        tracked: Workspace,
        make_workspace: Callable[..., Workspace],
        train: Train,
    ) -> None:
        """Each round is an environment of its own: its ledger, and a registered model that is new."""
        records = train(4)
        for number in range(ROUNDS):
            workspace = make_workspace(
                TEAM=tracked.settings.team,
                TEAM_S3_BUCKET=tracked.settings.bucket,
                PLATFORM_ENV=f"round{number}",
            )
            copies = [workspace.ledger.commit(record).standing(TrainedRecord) for record in records]
            start = Barrier(len(copies))

            def promote_one(
                record: TrainedRecord, workspace: Workspace = workspace, start: Barrier = start
            ) -> dict[str, Any]:
                start.wait()
                return promote(workspace, record)

            with ThreadPoolExecutor(len(copies)) as pool:
                promoted = list(pool.map(promote_one, copies))
            assert sorted(one["version"] for one in promoted) == ["1", "2", "3", "4"]
            newest = int(promoted[-1]["version"])
            assert staging(workspace) == ([newest], newest)
            assert promotion.unfinished(workspace) is None
            assert len(list(workspace.ledger.recent("promotion", outcome="promoted"))) == 4

    def test_the_same_model_four_times_is_one_version_and_one_verdict(
        self, tracked: Workspace, train: Train
    ) -> None:
        [record] = train(1)
        start = Barrier(4)

        def promote_one(_: int) -> str:
            start.wait()
            return str(promote(tracked, record)["version"])

        with ThreadPoolExecutor(4) as pool:
            promoted = set(pool.map(promote_one, range(4)))
        promote(tracked, record)
        in_stage, alias = staging(tracked)
        assert in_stage == [alias]
        assert len(promoted) == 1
        found = client(tracked).search_model_versions(f"name = '{tracked.settings.names.model}'")
        assert [int(version.version) for version in found] == [alias]
        assert len(list(tracked.ledger.recent("promotion"))) == 1


class TestDiedHalfWay:
    def repaired(self, workspace: Workspace, record: TrainedRecord) -> None:
        """The next run of the DAG finds what is unfinished and finishes it."""
        assert promotion.unfinished(workspace) == record
        work = training.reconcile_training(workspace)
        assert work.identity == record.identity
        assert training.train(workspace, training.validate(workspace, work)) == work
        promote(workspace, record)
        assert promotion.unfinished(workspace) is None
        assert len(list(workspace.ledger.recent("training", outcome="trained"))) == len(
            list(workspace.ledger.recent("promotion"))
        )

    def test_before_it_registered(self, tracked: Workspace, train: Train) -> None:
        [record] = train(1)
        self.repaired(tracked, record)
        assert staging(tracked) == ([1], 1)

    def test_between_registration_and_verdict(self, tracked: Workspace, train: Train) -> None:
        [record] = train(1)
        promotion.register(client(tracked), tracked, record)
        self.repaired(tracked, record)
        assert staging(tracked) == ([1], 1)

    def test_between_verdict_and_staging(self, tracked: Workspace, train: Train) -> None:
        first, second = train(2)
        promote(tracked, first)
        version = promotion.register(client(tracked), tracked, second)
        promotion.judge_or_ask(tracked, second, version)
        assert staging(tracked) == ([1], 1)
        self.repaired(tracked, second)
        assert staging(tracked) == ([2], 2)

    @pytest.mark.filterwarnings("ignore::FutureWarning")
    def test_while_it_staged(self, tracked: Workspace, train: Train) -> None:
        first, second = train(2)
        promote(tracked, first)
        registry, name = client(tracked), tracked.settings.names.model
        version = promotion.register(registry, tracked, second)
        promotion.judge_or_ask(tracked, second, version)
        registry.set_model_version_tag(name, "2", models.VERDICT_TAG, Outcome.PROMOTED)
        registry.transition_model_version_stage(name, "2", "Staging")
        assert staging(tracked) == ([1, 2], 1)
        self.repaired(tracked, second)
        assert staging(tracked) == ([2], 2)

    def test_a_model_version_that_somebody_deleted_is_left_alone(
        self, tracked: Workspace, train: Train
    ) -> None:
        [record] = train(1)
        promote(tracked, record)
        client(tracked).delete_model_version(tracked.settings.names.model, "1")
        assert promotion.unfinished(tracked) is None
        assert models.staged(tracked.settings) is None


class TestRegistryErrors:
    def test_a_registry_that_does_not_answer_is_an_error_that_names_it(
        self, make_workspace: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        workspace = make_workspace(MLFLOW_TRACKING_URI="http://127.0.0.1:9")
        with pytest.raises(
            RegistryError, match=r"Resolving the staged model failed on http://127\.0\.0\.1:9: "
        ):
            models.staged(workspace.settings)

    def test_without_any_model_nothing_is_staged(self, tracked: Workspace) -> None:
        assert models.staged(tracked.settings) is None
        assert promotion.unfinished(tracked) is None
