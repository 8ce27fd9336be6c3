"""The audit of a ledger in order finds nothing; each thing that is broken in it is told under its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from iris_core import models, monitoring, promotion, scoring, training
from iris_core.errors import DataRejected, NothingOwed
from iris_core.ledger import Kind
from iris_core.ledger.records.objects import RejectedRecord
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.settings.places import LEDGER
from iris_core.store.uploads import Purpose, landing_key
from iris_core.store.versions import ObjectVersion
from tests.chaos import script
from tests.chaos.audit import Audit, audit, owed
from tests.chaos.harness import INBOX

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

HOSTILE = b"\x89PNG\r\n\x1a\n"
UPLOADS = 8


class Deployment:
    """Sound and hostile objects of all three sorts, and all that the pipelines make of them."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.acknowledged: dict[str, datetime] = {}
        self.sound: set[str] = set()

    def put(self, purpose: Purpose, data: bytes, is_sound: bool, name: str = script.NAME) -> ObjectVersion:
        settings, store = self.workspace.settings, self.workspace.store
        version = store.put(settings.bucket, landing_key(settings, purpose, name), data, "text/csv")
        self.acknowledged[version.digest] = datetime.now(UTC)
        if is_sound:
            self.sound.add(version.etag)
        return version

    def work(self) -> None:
        """What the three DAGs do, until nothing is owed."""
        for _ in range(UPLOADS):
            for step in (self._train, self._score, self._report, self._label):
                with suppress(NothingOwed, DataRejected):
                    step()
            if not owed(self.workspace):
                return
        pytest.fail(f"still owed: {owed(self.workspace)}")

    def _train(self) -> None:
        at = self.workspace
        trained = training.train(at, training.validate(at, training.reconcile_training(at)))
        promotion.register_step(at, trained.identity)

    def _score(self) -> None:
        at = self.workspace
        done = [one for shard in scoring.plan_shards(at) for one in scoring.score_shard(at, shard)]
        scoring.publish_all(at, done)

    def _report(self) -> None:
        for path in monitoring.plan_reports(self.workspace):
            monitoring.report(self.workspace, path)

    def _label(self) -> None:
        monitoring.join_labels(self.workspace)

    def audit(self) -> Audit:
        return audit(self.workspace, self.acknowledged, self.sound)


def sound_tables(workspace: Workspace) -> Iterator[tuple[Purpose, bytes]]:
    """Training data, inference data and its labels."""
    planned = script.poisoned(workspace.settings.project.table, 1, [], 1)
    first = next(script.uploads(workspace.settings.project.table, 2, 2))
    assert first.data
    yield "train", first.data
    for upload in planned:
        if upload.is_sound:
            assert upload.data
            yield upload.purpose, upload.data


@pytest.fixture
def deployment(mlflow_db: object, make_workspace: object) -> Deployment:
    made = Deployment(make_workspace(**INBOX))  # type: ignore[operator]
    for purpose, data in sound_tables(made.workspace):
        made.put(purpose, data, is_sound=True)
        made.work()
        made.put(purpose, HOSTILE + purpose.encode(), is_sound=False)
        made.put(purpose, HOSTILE + purpose.encode(), is_sound=False, name="hostile.csv")
    made.work()
    return made


def wrong(found: Audit) -> dict[str, list[str]]:
    named = {name: getattr(found, name) for name in ("lost", "doubled", "orphaned", "wrong_newest")}
    return {name: told for name, told in named.items() if told}


def record_of(deployment: Deployment, kind: Kind, outcome: str) -> RejectedRecord:
    found = next(deployment.workspace.ledger.recent(kind, outcome=outcome))
    assert isinstance(found, RejectedRecord)
    return found


def test_nothing_is_wrong_with_what_the_pipelines_did(deployment: Deployment) -> None:
    found = deployment.audit()
    assert wrong(found) == {}
    assert found.clean
    assert found.outcomes["performance measured"] == 1
    assert {kind: found.outcomes[f"{kind} rejected"] for kind in ("training", "scoring", "performance")} == {
        "training": 2,
        "scoring": 2,
        "performance": 2,
    }


@pytest.mark.parametrize("kind", ["training", "scoring", "performance"])
def test_a_hostile_object_without_a_record_is_lost(deployment: Deployment, kind: Kind) -> None:
    workspace, record = deployment.workspace, record_of(deployment, kind, "rejected")
    env = workspace.settings.platform_env
    workspace.store.erase(workspace.settings.bucket, f"{LEDGER}{env}/{record.identity.path}.json")
    found = wrong(deployment.audit())
    assert found["lost"] == [f"{kind}: no record for {record.about.uri}"]
    assert owed(workspace) == f"1 versions await {kind}"


@pytest.mark.parametrize("kind", ["training", "scoring", "performance"])
def test_a_hostile_object_that_is_recorded_twice_is_doubled(deployment: Deployment, kind: Kind) -> None:
    record = record_of(deployment, kind, "rejected")
    again = record.model_copy(update={"identity": record.identity.again(1), "commit_id": "x"})
    assert deployment.workspace.ledger.commit(again).won
    [told] = wrong(deployment.audit())["doubled"]
    assert told.startswith(f"{kind}: 2 effects of {record.about.uri} with ")


def test_labels_that_are_joined_twice_to_one_scoring_are_doubled(deployment: Deployment) -> None:
    ledger = deployment.workspace.ledger
    record = next(ledger.recent_of(MeasuredRecord))
    again = record.model_copy(update={"identity": record.identity.again(1), "commit_id": "x"})
    assert ledger.commit(again).won
    [told] = wrong(deployment.audit())["doubled"]
    assert "is joined 2 times to scoring/" in told


@pytest.mark.parametrize(("kind", "place"), [("training", 0), ("scoring", 1), ("performance", 2)])
def test_sound_content_that_was_rejected_is_told(deployment: Deployment, kind: Kind, place: int) -> None:
    purpose, data = list(sound_tables(deployment.workspace))[place]
    version = deployment.put(purpose, data.replace(b"\n", b"\r\n"), is_sound=True)
    record = record_of(deployment, kind, "rejected")
    identity = record.identity.of_object(kind, version, record.variant.base)
    inputs = record.inputs.model_copy(update={"object": version})
    about = record.model_copy(update={"identity": identity, "inputs": inputs, "commit_id": "x"})
    assert deployment.workspace.ledger.commit(about).won
    told = wrong(deployment.audit())["wrong_newest"]
    assert f"the newest sound content is that of {version.uri}" in told[0]


def test_another_model_than_that_of_the_newest_content_is_told(deployment: Deployment) -> None:
    workspace = deployment.workspace
    older = models.staged(workspace.settings)
    assert older
    tables = list(script.uploads(workspace.settings.project.table, 5, 2))
    assert tables[0].data
    deployment.put("train", tables[0].data, is_sound=True)
    deployment.work()
    newer = models.staged(workspace.settings)
    assert newer
    assert newer.version != older.version, "the gate refused it: nothing to test"
    assert wrong(deployment.audit()) == {}

    name = workspace.settings.names.model
    tracking.client(workspace.settings).set_registered_model_alias(name, models.ALIAS, str(older.version))
    found = wrong(deployment.audit())
    assert f"staged is {older.version}, wanted {newer.version}" in found["wrong_newest"]

    tracking.client(workspace.settings).set_registered_model_alias(name, models.ALIAS, str(newer.version))
    env = workspace.settings.platform_env
    for record in workspace.ledger.recent("scoring", outcome="scored"):
        if record.model == newer:
            path = f"{LEDGER}{env}/{record.identity.path}.json"
            workspace.store.erase(workspace.settings.bucket, path)
    told = wrong(deployment.audit())["wrong_newest"]
    assert f"is not scored with version {newer.version}, which is staged" in told[0]


def test_a_training_whose_model_nobody_judged_is_told(deployment: Deployment) -> None:
    workspace = deployment.workspace
    trained = next(workspace.ledger.recent_of(TrainedRecord))
    verdict = promotion.verdict_on(workspace, trained)
    assert verdict
    path = f"{LEDGER}{workspace.settings.platform_env}/{verdict.identity.path}.json"
    workspace.store.erase(workspace.settings.bucket, path)
    told = wrong(deployment.audit())["wrong_newest"]
    assert f"the model of the newest sound content, {trained.about.uri}, has no verdict" in told
