"""Labels that come later: embedded store, sqlite MLflow."""

from __future__ import annotations

import gzip
import io
import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from iris_core import labels, models, monitoring, promotion, scoring, tables, training
from iris_core.errors import DataRejected, NothingOwed
from iris_core.history.queries import story
from iris_core.history.story import paragraph
from iris_core.labels import matching, predictions, table
from iris_core.ledger import Outcome, Record
from iris_core.ledger.owed import unaccounted
from iris_core.ledger.records.drift import PerformanceDriftRecord
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.monitoring import alerts
from iris_core.store.objects import ObjectVersion
from iris_core.tables import OTHER, MemoryInput, StoredInput
from tests.records import expect, expect_all

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MakeWorkspace = Callable[..., Workspace]
Scored = tuple[Workspace, list[tuple[str, str]]]
LABELS = "iris/labels/today.csv"
COUNTS = ("rows", "labels", "unlabelled", "duplicate", "conflicting", "unmatched", "tables")
FEATURES = "sepal_length,sepal_width,petal_length,petal_width"


def put(workspace: Workspace, key: str, data: bytes) -> ObjectVersion:
    return workspace.store.put(workspace.settings.bucket, key, data, "text/csv")


def stage(workspace: Workspace, data: bytes) -> None:
    put(workspace, workspace.settings.train_key, data)
    work = training.train(workspace, training.validate(workspace, training.reconcile_training(workspace)))
    promotion.register_step(workspace, work.identity)


def score(workspace: Workspace, data: bytes, key: str = "") -> None:
    put(workspace, key or workspace.settings.test_key, data)
    score_again(workspace)


def score_again(workspace: Workspace) -> None:
    scored = [
        one for shard in scoring.plan_shards(workspace) for one in scoring.score_shard(workspace, shard)
    ]
    scoring.publish_all(workspace, scored)


def records(workspace: Workspace, kind: Any = "performance") -> list[Record]:
    return list(workspace.ledger.recent(kind))


def measured(workspace: Workspace) -> list[MeasuredRecord]:
    """What the ledger says of labels, newest first; nothing but measurements."""
    return expect_all(MeasuredRecord, records(workspace))


def numbered(lines: list[str], first: int = 0) -> tuple[bytes, list[tuple[str, str]]]:
    """An inference table without labels but with an id, and (id, label) of each row."""
    rows = [line.rsplit(",", 1) for line in lines]
    table = [f"f{first + n},{features}" for n, (features, _) in enumerate(rows)]
    pairs = [(f"f{first + n}", label) for n, (_, label) in enumerate(rows)]
    return "\n".join([f"id,{FEATURES}", *table, ""]).encode(), pairs


def csv(pairs: list[tuple[str, str]]) -> bytes:
    return "\n".join(["id,species", *(f"{key},{label}" for key, label in pairs), ""]).encode()


@pytest.fixture
def staged(tracked: Workspace, train_csv: bytes) -> Workspace:
    stage(tracked, train_csv)
    return tracked


@pytest.fixture
def scored(staged: Workspace, iris_rows: tuple[list[str], list[str]]) -> Scored:
    data, pairs = numbered(iris_rows[1])
    score(staged, data)
    return staged, pairs


class TestJoined:
    def test_what_is_recorded_and_shown(self, scored: Scored) -> None:
        workspace, pairs = scored
        wrong = [(key, "setosa") for key, _ in pairs[:3]] + pairs[3:]
        right = sum(label == told for (_, label), (_, told) in zip(pairs, wrong, strict=True))
        landed = put(workspace, LABELS, csv([*wrong, wrong[0], ("nobody", "setosa"), ("f5", "")]))

        [verdict] = monitoring.join_labels(workspace)

        [record] = measured(workspace)
        assert record.outcome == Outcome.MEASURED
        found = {name: getattr(record.evidence, name) for name in COUNTS}
        assert found == dict(zip(COUNTS, (33, 31, 1, 1, 0, 1, 1), strict=True))
        [one] = record.evidence.models.values()
        assert one.joined == 30
        assert one.accuracy == pytest.approx(right / 30, abs=0.04)
        assert sum(sum(row.values()) for row in one.agreement.values()) == 30
        assert "30 of 31 labels matched" in record.reason
        [performance] = [r for r in records(workspace, "drift") if isinstance(r, PerformanceDriftRecord)]
        assert verdict["verdict"] == performance.identity.path
        evidence = expect(PerformanceDriftRecord.Evidence, performance.evidence)
        assert evidence.current == {"rows": 30, "right": round(one.accuracy * 30)}
        assert evidence.reference["rows"] == 24
        model = models.staged(workspace.settings)
        assert model is not None
        client = tracking.client(workspace.settings)
        for run_id in (model.run_id, record.outputs.history_run_ids[0]):
            [point] = client.get_metric_history(run_id, "labels/accuracy")
            assert (point.value, point.step) == (one.accuracy, int(landed.landed_at.timestamp()))
        tags = client.get_model_version(model.name, str(model.version)).tags
        assert tags["iris.labels.rows"] == "30"
        told = paragraph(story(workspace.ledger, model.version))
        assert f"{one.accuracy:.1%} of 30 rows were right" in told

    def test_once(self, scored: Scored) -> None:
        workspace, pairs = scored
        put(workspace, LABELS, csv(pairs))
        assert len(monitoring.join_labels(workspace)) == 1
        with pytest.raises(NothingOwed, match="have their record"):
            monitoring.join_labels(workspace)
        put(workspace, LABELS, csv(pairs))
        with pytest.raises(NothingOwed):
            monitoring.join_labels(workspace)
        assert [record.outcome for record in records(workspace)] == ["unchanged", "measured"]

    def test_a_correction_is_measured_again(self, scored: Scored) -> None:
        workspace, pairs = scored
        put(workspace, LABELS, csv([(key, "setosa") for key, _ in pairs]))
        monitoring.join_labels(workspace)
        put(workspace, LABELS, csv(pairs))
        monitoring.join_labels(workspace)
        accuracies = [
            one.accuracy for record in measured(workspace) for one in record.evidence.models.values()
        ]
        assert accuracies[0] > 0.9 > 0.4 > accuracies[1]

    def test_each_model_version_on_its_own_and_every_label_once(
        self, scored: Scored, iris_rows: tuple[list[str], list[str]], as_csv: Any
    ) -> None:
        """Rows scored again by the same version count once, by its newest scoring."""
        workspace, pairs = scored
        time.sleep(1.01 - time.time() % 1)
        again, _ = numbered([*iris_rows[1][:10], "9,2,9,4,setosa"])
        score(workspace, again)
        stage(workspace, as_csv(iris_rows[0][:90]))
        score_again(workspace)
        put(workspace, LABELS, csv(pairs))
        monitoring.join_labels(workspace)
        [record] = measured(workspace)
        found = {one.model.version: one for one in record.evidence.models.values()}
        assert {version: one.joined for version, one in found.items()} == {1: 30, 2: 11}
        assert found[1].repeated == 11
        assert len(record.inputs.scorings) == 3
        assert sum(row.get("virginica", 0) for row in found[1].agreement.values()) >= 1

    @pytest.mark.parametrize("packed", ["gzip", "parquet"])
    def test_other_formats_and_parquet_predictions(
        self,
        mlflow_db: Path,
        make_workspace: MakeWorkspace,
        train_csv: bytes,
        iris_rows: tuple[list[str], list[str]],
        packed: str,
    ) -> None:
        workspace = make_workspace(PREDICTIONS_FORMAT="parquet")
        stage(workspace, train_csv)
        data, pairs = numbered(iris_rows[1])
        score(workspace, data)
        if packed == "gzip":
            put(workspace, "iris/labels/a.csv.gz", gzip.compress(csv(pairs)))
        else:
            out = io.BytesIO()
            pl.DataFrame(pairs, schema=["id", "species"], orient="row").write_parquet(out)
            put(workspace, "iris/labels/a.parquet", out.getvalue())
        monitoring.join_labels(workspace)
        [record] = measured(workspace)
        assert record.evidence.unmatched == 0
        assert next(iter(record.evidence.models.values())).joined == 30

    def test_ids_that_csv_safe_marks(
        self,
        mlflow_db: Path,
        make_workspace: MakeWorkspace,
        train_csv: bytes,
        iris_rows: tuple[list[str], list[str]],
    ) -> None:
        workspace = make_workspace(CSV_SAFE="1")
        stage(workspace, train_csv)
        data, pairs = numbered(iris_rows[1])
        score(workspace, data.replace(b"\nf", b"\n=f"))
        [record] = expect_all(ScoredRecord, records(workspace, "scoring"))
        published = workspace.store.read(record.outputs.predictions)
        assert b"\n'=f0," in published
        given = StoredInput(
            workspace.store,
            put(workspace, "elsewhere.csv", csv([(f"={key}", label) for key, label in pairs])),
        )
        assert labels.preview(workspace, given).unmatched == 0

    def test_in_several_passes_as_in_one(self, scored: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
        workspace, pairs = scored
        given = StoredInput(workspace.store, put(workspace, "elsewhere.csv", csv([*pairs, ("x", "setosa")])))
        once = labels.preview(workspace, given)
        monkeypatch.setattr(table, "ROWS_AT_ONCE", 4)
        assert labels.preview(workspace, given) == once
        assert records(workspace) == []

    def test_predictions_that_are_gone_or_older_than_the_horizon(self, scored: Scored) -> None:
        workspace, pairs = scored
        [record] = expect_all(ScoredRecord, records(workspace, "scoring"))
        version = record.outputs.predictions
        since = record.at + timedelta(seconds=1)
        assert labels.predictions_of(workspace).since(since) == []
        workspace.store.admin.remove_object(version.bucket, version.key, version_id=version.version_id)
        given = StoredInput(workspace.store, put(workspace, "elsewhere.csv", csv(pairs)))
        found = labels.preview(workspace, given)
        assert (found.tables, found.gone, found.unmatched) == (1, 1, 30)


class TestOrder:
    def test_labels_before_predictions(
        self, staged: Workspace, iris_rows: tuple[list[str], list[str]]
    ) -> None:
        """Whichever comes first, the result is the same."""
        data, pairs = numbered(iris_rows[1])
        put(staged, LABELS, csv(pairs))
        with pytest.raises(NothingOwed, match="No predictions were published"):
            monitoring.join_labels(staged)
        score(staged, data)
        [verdict] = monitoring.join_labels(staged)
        assert verdict["severity"] == "none"
        assert [record.outcome for record in records(staged)] == ["measured", "unmatched"]
        with pytest.raises(NothingOwed):
            monitoring.join_labels(staged)

    def test_the_rest_of_them_when_their_predictions_come(
        self, scored: Scored, iris_rows: tuple[list[str], list[str]]
    ) -> None:
        workspace, pairs = scored
        more, others = numbered(iris_rows[0][:20], first=100)
        put(workspace, LABELS, csv([*pairs, *others]))
        monitoring.join_labels(workspace)
        with pytest.raises(NothingOwed):
            monitoring.join_labels(workspace)
        score(workspace, more)
        monitoring.join_labels(workspace)
        newer, older = measured(workspace)
        joined = [next(iter(record.evidence.models.values())).joined for record in (older, newer)]
        assert joined == [30, 20]
        assert not set(newer.inputs.scorings) & set(older.inputs.scorings)

    def test_labels_that_are_back_before_predictions(
        self, staged: Workspace, iris_rows: tuple[list[str], list[str]]
    ) -> None:
        """A newer upload had taken their place, and is deleted: they have their record, and are not lost."""
        data, pairs = numbered(iris_rows[1])
        put(staged, LABELS, csv(pairs))
        newer = put(staged, LABELS, csv([("nobody", "setosa")]))
        for _ in range(2):
            with pytest.raises(NothingOwed, match="No predictions were published"):
                monitoring.join_labels(staged)
            staged.store.admin.remove_object(newer.bucket, newer.key, version_id=newer.version_id)
        source = labels.labels_source(staged)
        assert list(unaccounted(staged.store, staged.ledger, "performance", source)) == []
        score(staged, data)
        [verdict] = monitoring.join_labels(staged)
        assert verdict["severity"] == "none"
        assert [record.outcome for record in records(staged)][:2] == ["measured", "unmatched"]


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"", "found no bytes, expected a header and rows"),
            (b"id,species\n", "a header that has no rows below it"),
            (b"flower,species\n1,setosa\n", "column 'id': found no such column among 'flower', 'species'"),
            (b"id,name\n1,setosa\n", "column 'species': found no such column"),
            (
                b"id,species\n1,setosa\n2,Setosa\n3,rose\n",
                "rows 3, 4: found 'Setosa' (is it 'setosa'?), 'rose'",
            ),
            (b"id,species\n1,\n2,\n", "no label in any of 2 rows"),
            (
                b"id,species\n1,setosa\n1,virginica\n",
                "1 id with several labels ('1' is 'setosa' and 'virginica')",
            ),
            (b"id,species\n,setosa\n1,setosa\n", "column 'id', row 2: found an empty cell"),
            (b"\x89PNG\r\n", "found"),
        ],
    )
    def test_with_a_sentence_and_kept(self, scored: Scored, content: bytes, sentence: str) -> None:
        workspace, _ = scored
        landed = put(workspace, LABELS, content)
        with pytest.raises(DataRejected) as caught:
            monitoring.join_labels(workspace)
        assert sentence in str(caught.value)
        [record] = records(workspace)
        assert (record.outcome, record.reason) == ("rejected", str(caught.value))
        kept = f"quarantine/dev/{landed.digest}/today.csv"
        assert workspace.store.get(workspace.settings.bucket, kept) == content
        assert sentence in workspace.store.get(workspace.settings.bucket, f"{kept}.reason.txt").decode()

    def test_a_few_conflicts_are_left_out(self, scored: Scored) -> None:
        workspace, pairs = scored
        put(workspace, LABELS, csv([*pairs, ("f0", "setosa"), ("f0", "virginica")]))
        monitoring.join_labels(workspace)
        [record] = measured(workspace)
        assert (record.evidence.conflicting, record.evidence.labels) == (1, 29)

    def test_a_bad_file_does_not_hold_the_others(self, scored: Scored) -> None:
        workspace, pairs = scored
        put(workspace, "iris/labels/a.csv", b"nothing\n1\n")
        put(workspace, "iris/labels/b.csv", csv(pairs))
        assert len(monitoring.join_labels(workspace)) == 1
        assert sorted(record.outcome for record in records(workspace)) == ["measured", "rejected"]

    def test_small_predictions_are_read_once_for_all_files(
        self, scored: Scored, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace, pairs = scored
        opened: list[str] = []
        real = tables.read

        def counted(given: Any, wanted: Any) -> Any:
            opened.append(given.where)
            return real(given, wanted)

        monkeypatch.setattr(predictions, "read", counted)
        for number in range(3):
            put(workspace, f"iris/labels/{number}.csv", csv(pairs[number:]))
        monitoring.join_labels(workspace)
        matched = sorted(next(iter(record.evidence.models.values())).joined for record in measured(workspace))
        assert (matched, len(opened)) == ([28, 29, 30], 1)

    def test_predictions_without_an_id(self, staged: Workspace, test_csv: bytes) -> None:
        score(staged, test_csv)
        put(staged, LABELS, b"id,species\n1,setosa\n")
        with pytest.raises(NothingOwed, match=r"has a column 'id': give the inference data one.*table\.key"):
            monitoring.join_labels(staged)

    def test_predictions_that_cannot_be_read_hold_no_labels(self, scored: Scored) -> None:
        workspace, pairs = scored
        [record] = workspace.ledger.recent_of(ScoredRecord)
        found = workspace.store.read(record.outputs.predictions)
        broken = workspace.store.put(
            workspace.settings.bucket, "iris/predictions/broken.csv", found + b"1\n", "text/csv"
        )
        published = predictions.Published("other", record.model, broken)
        whole = predictions.Published.of(record)
        put(workspace, LABELS, csv(pairs))
        given = StoredInput(workspace.store, workspace.store.head(workspace.settings.bucket, LABELS))
        measured = matching.measured(given, labels.predictions_of(workspace), [published, whole], 0.05)
        assert (measured.matched, measured.gone) == (len(pairs), 1)

    def test_predictions_of_other_classes_share_one_row_of_the_agreement(
        self, scored: Scored, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As of a model that learnt three thousand classes, which the project no longer has."""
        workspace, pairs = scored
        real = tables.read

        def of_another_model(given: Any, wanted: Any) -> Any:
            lines = given.read(0, given.size).decode().splitlines()
            place = lines[0].split(",").index("prediction")
            rows = [line.split(",") for line in lines]
            for number, row in enumerate(rows[1:-5]):
                row[place] = f"class {number}"
            return real(MemoryInput("\n".join(map(",".join, rows)).encode(), given.where), wanted)

        monkeypatch.setattr(predictions, "read", of_another_model)
        put(workspace, LABELS, csv(pairs))
        monitoring.join_labels(workspace)
        [record] = measured(workspace)
        [found] = record.evidence.models.values()
        predicted = {name for row in found.agreement.values() for name in row}
        assert predicted <= {*workspace.settings.project.table.classes, OTHER}
        assert sum(row.get(OTHER, 0) for row in found.agreement.values()) == len(pairs) - 5

    @pytest.mark.parametrize(
        ("predicted", "given"),
        [("7", "7.0"), ("7.0", "7"), ("7", "007"), ("007", "7"), ("caf\u00e9", "cafe\u0301"), ("Ab", "aB")],
    )
    def test_ids_that_are_only_written_otherwise_are_shown_side_by_side(
        self, staged: Workspace, iris_rows: tuple[list[str], list[str]], predicted: str, given: str
    ) -> None:
        header, *lines = numbered(iris_rows[1])[0].decode().splitlines()
        first = lines[0].partition(",")[2]
        score(staged, "\n".join([header, f"{predicted},{first}", *lines[1:], ""]).encode())
        put(staged, "iris/labels/a.csv", csv([(given, "setosa"), ("nobody", "setosa")]))
        with pytest.raises(NothingOwed, match=re.escape(f"Perhaps {given!r} here is {predicted!r} there.")):
            monitoring.join_labels(staged)
        assert [record.outcome for record in measured(staged)] == ["unmatched"]

    def test_ids_that_nobody_knows(self, scored: Scored) -> None:
        workspace, pairs = scored
        put(workspace, LABELS, csv([(f"x{key}", label) for key, label in pairs]))
        with pytest.raises(NothingOwed, match=r"None of 30 labels has an id \('id'\) that was predicted"):
            monitoring.join_labels(workspace)
        assert records(workspace)[0].outcome == "unmatched"


class TestDrift:
    def test_a_loss_alerts_after_n_of_m_and_apart_from_batches(self, scored: Scored) -> None:
        workspace, pairs = scored
        bad = [(key, "setosa") for key, _ in pairs]
        for name in ("a", "b"):
            time.sleep(1.01 - time.time() % 1)
            put(workspace, f"iris/labels/{name}.csv", csv(bad))
            [verdict] = monitoring.join_labels(workspace)
            assert verdict["severity"] == "high"
        assert verdict["sentence"].startswith("Accuracy fell by 62.5 points, surely by")
        got: list[Any] = []
        alerts.deliver_owed(workspace, {"a": got.append})
        [alert] = got
        assert alert.violations == "2 of the last 2 batches are medium or worse"
        assert alert.data.endswith("iris/labels/b.csv")
        [path] = monitoring.plan_reports(workspace)
        told = monitoring.conclude(workspace, [monitoring.report(workspace, path)])
        assert (told["alert"], told["batches"]) == (False, 1)

    def test_a_killed_attempt_is_made_up_for(self, scored: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
        """Verdicts come before the record that commits them, so none can be missing."""
        workspace, pairs = scored
        put(workspace, LABELS, csv(pairs))
        real = type(workspace.ledger).commit

        def dying(self: Any, identity: Any, *args: Any, **kwargs: Any) -> Any:
            if identity.kind == "performance":
                raise SystemExit
            return real(self, identity, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(type(workspace.ledger), "commit", dying)
            with pytest.raises(SystemExit):
                monitoring.join_labels(workspace)
        assert records(workspace) == []
        assert len(monitoring.join_labels(workspace)) == 1
        assert len([r for r in records(workspace, "drift") if isinstance(r, PerformanceDriftRecord)]) == 1
        model = models.staged(workspace.settings)
        assert model is not None
        history = tracking.client(workspace.settings).get_metric_history(model.run_id, "labels/accuracy")
        assert len(history) == 1
