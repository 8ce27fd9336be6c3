"""What each step reads and writes, in exact versions, on a real store and registry."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from iris_core import monitoring, promotion, scoring, training
from iris_core.errors import DataRejected
from iris_core.history import lineage
from iris_core.history.datasets import CHECKED, Dataset
from iris_core.history.lineage import Reader, Step
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import RejectedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from tests import loop
from tests.records import expect

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def sides(reader: Reader, step: Step) -> tuple[dict[str, Dataset], dict[str, Dataset]]:
    """Inputs and outputs by address, as a reader tells them."""
    touched = list(reader(step))
    read, wrote = (
        {one.dataset.uri: one.dataset for one in touched if one.is_output is side} for side in (False, True)
    )
    return read, wrote


def checks_in(datasets: Iterable[Dataset]) -> dict[str, bool]:
    [checks] = [one.facts["checks"] for one in datasets if "checks" in one.facts]
    return {check["assertion"]: check["success"] for check in checks}


def test_a_training_is_told_from_its_object_to_its_model_version(
    tracked: Workspace, train_csv: bytes
) -> None:
    settings = tracked.settings
    landed = tracked.store.put(settings.bucket, settings.train_key, train_csv, "text/csv")
    chosen = training.reconcile_training(tracked)
    assert list(sides(lineage.of_reconciling, Step(tracked, (), chosen))[0]) == [landed.uri]
    validated = training.validate(tracked, chosen)
    read, wrote = sides(lineage.of_validation, Step(tracked, (chosen,), validated))
    assert (list(read), wrote) == ([landed.uri], {})
    table = read[landed.uri]
    assert (table.namespace, table.name, table.version) == (
        f"s3://{landed.bucket}",
        landed.key,
        landed.version_id,
    )
    assert table.facts["rows"] == 120
    assert table.facts["fields"][-1] == {"name": settings.project.table.target, "type": "category"}
    assert checks_in([table]) == dict.fromkeys(CHECKED, True)

    training.train(tracked, validated)
    trained = expect(TrainedRecord, tracked.ledger.get(chosen.identity))
    read, wrote = sides(lineage.of_training, Step(tracked, (validated,), validated))
    assert list(read) == [landed.uri]
    assert trained.outputs.profile is not None
    assert list(wrote)[:2] == [trained.outputs.model_uri, trained.outputs.profile.uri]
    assert wrote[trained.outputs.model_uri].facts["metrics"]["accuracy"] == trained.evidence.accuracy

    staged = promotion.register_step(tracked, chosen.identity)
    read, wrote = sides(lineage.of_promotion, Step(tracked, (chosen.identity.path,), staged))
    assert list(read) == [landed.uri, trained.outputs.model_uri]
    version = wrote[f"models:/{settings.names.model}/1"]
    assert (version.name, version.version, version.type) == (settings.names.model, "1", "MODEL")
    assert version.facts["decision"]["outcome"] == "promoted"
    assert version.facts["same_as"]["name"] == trained.outputs.model_uri.removeprefix("models:/")


def test_a_refused_table_is_told_with_its_findings_and_its_copy(tracked: Workspace, train_csv: bytes) -> None:
    settings = tracked.settings
    bad = train_csv.replace(b"\n5.1,", b"\nfive,", 1)
    landed = tracked.store.put(settings.bucket, settings.train_key, bad, "text/csv")
    chosen = training.reconcile_training(tracked)
    with pytest.raises(DataRejected):
        training.validate(tracked, chosen)
    read, wrote = sides(lineage.of_validation, Step(tracked, (chosen,), None))
    rejected = expect(RejectedRecord, tracked.ledger.get(chosen.identity))
    assert list(wrote) == [rejected.outputs.quarantine]
    checks = checks_in(read.values())
    assert not checks["not_a_number"]
    assert checks["missing_column"]
    [failed] = [check for check in read[landed.uri].facts["checks"] if not check["success"]]
    assert (failed["column"], failed["severity"]) == ("sepal_length", "error")


def test_a_scoring_and_its_verdict_are_told_with_their_model_version(
    tracked: Workspace, train_csv: bytes, test_csv: bytes
) -> None:
    settings = tracked.settings
    trained = loop.train(tracked, train_csv)
    landed = tracked.store.put(settings.bucket, settings.test_key, test_csv, "text/csv")
    shards = scoring.plan_handed(tracked)
    version = f"models:/{settings.names.model}/1"
    assert set(sides(lineage.of_planning, Step(tracked, (), shards))[0]) == {version, landed.uri}
    scored = [scoring.score_handed(tracked, shard) for shard in shards]
    read, parts = sides(lineage.of_scoring, Step(tracked, (shards[0],), scored[0]))
    assert set(read) == {version, landed.uri}
    assert len(parts) == 1

    published = scoring.publish_handed(tracked, scored)
    record = next(tracked.ledger.recent_of(ScoredRecord))
    read, wrote = sides(lineage.of_publication, Step(tracked, (scored,), published))
    assert set(read) == {version, landed.uri, *parts}
    assert record.outputs.manifest is not None
    assert list(wrote)[:2] == [record.outputs.predictions.uri, record.outputs.manifest.uri]
    predictions = wrote[record.outputs.predictions.uri]
    assert predictions.facts["rows"] == 30
    assert "prediction" in [column["name"] for column in predictions.facts["fields"]]

    [owed] = monitoring.plan_reports(tracked)
    read, _ = sides(lineage.of_reports_planned, Step(tracked, (), [owed]))
    assert list(read) == [record.outputs.predictions.uri]
    reported = monitoring.report(tracked, owed)
    read, wrote = sides(lineage.of_report, Step(tracked, (owed,), reported))
    assert trained.outputs.profile is not None
    assert set(read) == {
        record.outputs.predictions.uri,
        version,
        trained.outputs.profile.uri,
        trained.about.uri,
    }
    drift = next(tracked.ledger.recent_of(BatchDriftRecord))
    [verdict] = [one for one in wrote.values() if "decision" in one.facts]
    assert verdict.name.endswith(f"{drift.identity.path}.json")
    assert verdict.facts["decision"]["outcome"] == drift.outcome
    told = monitoring.conclude(tracked, [reported])
    assert list(sides(lineage.of_conclusion, Step(tracked, ([reported],), told))[0]) == [verdict.uri]
    assert tracked.store.get(settings.bucket, verdict.name)
