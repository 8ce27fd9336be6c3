"""Scoring with real files, the embedded store and a sqlite MLflow: rejects, shards, replay, kills."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import polars as pl
import pytest
from typer.testing import CliRunner

from iris_core import models, promotion, scoring, training
from iris_core.cli import app
from iris_core.errors import DataRejected, NothingOwed, ObjectMissing
from iris_core.events import alias
from iris_core.ledger import Record
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace, access_from_settings
from iris_core.models import mlflow_runs
from iris_core.scoring import publication, results, shards
from iris_core.scoring.local_file import score_file
from iris_core.scoring.replay import replay
from iris_core.scoring.results import keys_of, withdraw
from iris_core.store.objects import ObjectVersion
from iris_core.tables import LocalInput
from tests.loop import score_whole
from tests.records import expect

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MakeWorkspace = Callable[..., Workspace]
HEAD = "sepal_length,sepal_width,petal_length,petal_width,note\n"


def upload(workspace: Workspace, data: bytes, key: str = "") -> ObjectVersion:
    key = key or workspace.settings.test_key
    return workspace.store.put(workspace.settings.bucket, key, data, "text/csv")


def stage(workspace: Workspace, data: bytes) -> None:
    workspace.store.put(workspace.settings.bucket, workspace.settings.train_key, data, "text/csv")
    work = training.train(workspace, training.validate(workspace, training.reconcile_training(workspace)))
    promotion.register_step(workspace, work.identity)


def run_dag(workspace: Workspace) -> list[dict[str, Any]]:
    """What the inference DAG does."""
    scored = [
        one for shard in scoring.plan_shards(workspace) for one in scoring.score_shard(workspace, shard)
    ]
    return scoring.publish_all(workspace, scored)


def records(workspace: Workspace) -> list[Any]:
    return list(workspace.ledger.recent("scoring"))


def read(workspace: Workspace, record: Record, what: str = "predictions") -> bytes:
    return workspace.store.read(getattr(record.outputs, what))


def keys(workspace: Workspace, folder: str) -> list[str]:
    return list(workspace.store.keys(workspace.settings.bucket, folder))


def rows(count: int) -> bytes:
    lines = (f'5.{n % 10},3,{n % 7},0.{n % 10},"x, {n}"\n' for n in range(count))
    return (HEAD + "".join(lines)).encode()


@pytest.fixture
def staged(tracked: Workspace, train_csv: bytes) -> Workspace:
    stage(tracked, train_csv)
    return tracked


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects over 2 kB are cut, into about 20 parts."""
    monkeypatch.setattr(shards, "MIB", 8)
    monkeypatch.setattr(shards, "UNIT", 8)


class TestRejects:
    def test_a_few_are_set_apart(self, staged: Workspace) -> None:
        data = rows(100).replace(b"5.3,3,3,", b"5.3,three,3,", 1)
        upload(staged, data)
        [published] = run_dag(staged)
        assert (published["rows"], published["rejected"]) == (99, 1)
        [record] = records(staged)
        rejects = pl.read_csv(io.BytesIO(read(staged, record, "rejects")))
        assert rejects.rows() == [(5, "sepal_width", "not a number, expected a number in cm", "three")]
        frame = pl.read_csv(io.BytesIO(read(staged, record)))
        assert frame["source_row"].to_list() == [row for row in range(2, 102) if row != 5]
        assert keys(staged, "work") == []

    def test_too_many_fail_the_file_and_name_the_worst_column(self, staged: Workspace) -> None:
        upload(staged, rows(100).replace(b",3,", b",x,").replace(b"5.1,", b"y,"))
        with pytest.raises(DataRejected, match=r"MAX_REJECT_SHARE=0\.05.*'sepal_width'") as caught:
            run_dag(staged)
        assert str(caught.value).index("sepal_width") < str(caught.value).index("sepal_length")
        [record] = records(staged)
        assert record.outcome == "rejected"
        assert len(read(staged, record, "rejects").splitlines()) == 101
        assert keys(staged, "iris/predictions") == keys(staged, "work") == []

    def test_the_share_is_that_of_the_whole_file_not_of_a_shard(
        self, staged: Workspace, small_shards: None
    ) -> None:
        bad = rows(400).splitlines(keepends=True)
        bad[3:13] = [b"a,b,c,d,e\n"] * 10
        upload(staged, b"".join(bad))
        [published] = run_dag(staged)
        assert (published["rows"], published["rejected"]) == (390, 10)
        [record] = records(staged)
        assert read(staged, record, "rejects").count(b"source_row") == 1


class TestShards:
    def test_the_same_bytes_as_unsharded(self, staged: Workspace, small_shards: None) -> None:
        upload(staged, rows(500))
        [work] = scoring.plan(staged)
        whole = score_whole(staged, work)
        assert whole.part
        assert whole.part.head
        expected = staged.store.read(whole.part.head)
        planned = scoring.plan_shards(staged)
        assert len(planned) >= 5
        done = [one for shard in reversed(planned) for one in scoring.score_shard(staged, shard)]
        assert len(keys(staged, "work")) > 2 * len(planned) - 2, "parts, and outlines of all but the last"
        for key in keys(staged, "work"):
            if key.endswith(".outline.json"):
                staged.store.delete(staged.settings.bucket, key)
        [retried] = scoring.score_shard(staged, planned[2])
        assert [retried.range, retried.digest] == [done[-3].range, done[-3].digest]
        done[-3] = retried
        scoring.publish_all(staged, reversed(done))
        [record] = records(staged)
        assert read(staged, record) == expected
        assert record.evidence.shards == len(planned)
        assert keys(staged, "work") == []

    def test_nothing_while_a_shard_is_missing_and_all_when_it_was_retried(
        self, staged: Workspace, small_shards: None
    ) -> None:
        upload(staged, rows(500))
        planned = scoring.plan_shards(staged)
        done = [one for shard in planned[:-1] for one in scoring.score_shard(staged, shard)]
        with pytest.raises(NothingOwed):
            scoring.publish_all(staged, done)
        assert records(staged) == []
        assert keys(staged, "iris/predictions") == []
        [published] = scoring.publish_all(staged, [*done, *scoring.score_shard(staged, planned[-1])])
        assert published["rows"] == 500
        assert keys(staged, "work") == []

    def test_nothing_where_parts_do_not_meet(self, staged: Workspace, small_shards: None) -> None:
        upload(staged, rows(500))
        done = [one for shard in scoring.plan_shards(staged) for one in scoring.score_shard(staged, shard)]
        for place in (1, len(done) - 1):
            odd = [*done]
            found = odd[place].range
            assert found
            odd[place] = odd[place].model_copy(update={"range": replace(found, end=found.end - 1)})
            with pytest.raises(NothingOwed):
                scoring.publish_all(staged, odd)
        assert scoring.publish_all(staged, done)[0]["rows"] == 500

    def test_a_refused_table_is_told_of_its_first_fault_whichever_shard_is_first(
        self, staged: Workspace, small_shards: None
    ) -> None:
        lines = rows(500).splitlines(keepends=True)
        lines[100], lines[400] = b'5,3,1,0,a"b"\n', b"5,3,1,0,\0\n"
        upload(staged, b"".join(lines))
        for shard in reversed(scoring.plan_shards(staged)):
            with suppress(DataRejected):
                scoring.score_shard(staged, shard)
        [record] = records(staged)
        assert "row 101: found a quote in the midst of a value" in record.reason


LARGE_MIB = 40_000
"""What stands for a MiB where a table of 750,000 rows is cut into two shards."""


class TestLargeShards:
    """Shards whose rows go straight into an upload that they share."""

    @pytest.fixture
    def large(self, staged: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
        monkeypatch.setattr(shards, "MIB", LARGE_MIB)
        monkeypatch.setattr(shards, "UNIT", LARGE_MIB)
        upload(staged, rows(750_000))
        return staged

    @staticmethod
    def uploads(workspace: Workspace) -> int:
        [work] = scoring.plan(workspace)
        key = keys_of(workspace.settings, work).predictions
        found = workspace.store.admin._list_multipart_uploads(
            workspace.settings.predictions_bucket, prefix=key
        )
        return len(found.uploads)

    def test_the_same_bytes_whatever_is_scored_twice(self, large: Workspace) -> None:
        first, last = scoring.plan_shards(large)
        done = [*scoring.score_shard(large, last), *scoring.score_shard(large, first)]
        assert all(one.part and one.part.etags for one in done)
        [again] = scoring.score_shard(large, scoring.plan_shards(large)[0])
        assert self.uploads(large) == 1
        scoring.publish_all(large, [done[0], again])
        [record] = records(large)
        assert replay(large, record.identity.path).same
        assert [one.part for one in scoring.score_shard(large, last)] == [None]
        with suppress(NothingOwed):
            scoring.publish_all(large, done)
        assert keys(large, "work") == []

    @pytest.mark.parametrize("place", ["before joining", "after joining"])
    def test_killed(self, large: Workspace, place: str, tmp_path: Path) -> None:
        die(large, place, tmp_path, LARGE_MIB)
        run_dag(large)
        [record] = records(large)
        assert keys(large, "iris/predictions") == [record.outputs.predictions.key]
        assert replay(large, record.identity.path).same
        assert keys(large, "work") == []

    def test_of_one_that_is_rejected_no_upload_stays(self, large: Workspace) -> None:
        first, last = scoring.plan_shards(large)
        scoring.score_shard(large, first)
        assert self.uploads(large) == 1
        [work] = scoring.plan(large)
        withdraw(large, work)
        assert self.uploads(large) == 0
        assert keys(large, "work") == []
        assert scoring.score_shard(large, last)[0].part, "a late shard begins another one"


class TestPrefix:
    @pytest.fixture
    def incoming(self, mlflow_db: object, make_workspace: MakeWorkspace, train_csv: bytes) -> MakeWorkspace:
        def make(**variables: str) -> Workspace:
            workspace = make_workspace(TEAM_S3_TEST_KEY="in/", **variables)
            stage(workspace, train_csv)
            return workspace

        return make

    def test_many_small_objects_are_a_handful_of_tasks(self, incoming: MakeWorkspace) -> None:
        workspace = incoming()
        for number in range(300):
            upload(workspace, rows(1), f"in/{number:03}.csv")
        planned = scoring.plan_shards(workspace)
        assert [len(shard.pieces) for shard in planned] == [250, 50]

    def test_a_bad_object_does_not_hold_the_others_of_its_shard(self, incoming: MakeWorkspace) -> None:
        workspace = incoming()
        for name, data in (("a", rows(3)), ("b", b"nothing\n1\n"), ("c", rows(4))):
            upload(workspace, data, f"in/{name}.csv")
        [shard] = scoring.plan_shards(workspace)
        published = scoring.publish_all(workspace, scoring.score_shard(workspace, shard))
        assert sorted(one["rows"] for one in published) == [3, 4]
        assert sorted(record.outcome for record in records(workspace)) == ["rejected", "scored", "scored"]

    @pytest.mark.parametrize(("rescore", "again"), [("newest", ["in/b.csv"]), ("none", []), ("all", None)])
    def test_what_a_new_model_scores_again(
        self,
        incoming: MakeWorkspace,
        rescore: Any,
        again: list[str] | None,
        iris_rows: tuple[list[str], list[str]],
        as_csv: Callable[[list[str]], bytes],
    ) -> None:
        workspace = incoming(RESCORE=rescore)
        everything = ["in/a.csv", "in/b.csv"]
        for key in everything:
            time.sleep(1.01 - time.time() % 1)  # of what lands within one second none is the newest
            upload(workspace, rows(3), key)
            run_dag(workspace)
        before = keys(workspace, "iris/predictions")
        stage(workspace, as_csv(iris_rows[0][:90]))
        again = everything if again is None else again
        assert self.announced(workspace, rescore) == len(again)
        try:
            assert [work.object.key for work in scoring.plan(workspace)][-1:] == again[-1:]
            assert len(run_dag(workspace)) == len(again)
        except NothingOwed:
            assert again == []
        assert set(before) < set(keys(workspace, "iris/predictions")) or not again
        assert self.announced(workspace, rescore) == 0
        with pytest.raises(NothingOwed):
            scoring.plan(workspace)

    @staticmethod
    def announced(workspace: Workspace, rescore: Any) -> int:
        poll = alias.AliasPoll("http://nowhere", workspace.settings.names.model, 1)
        model = models.staged(workspace.settings)
        assert model is not None
        poll.staged = alias.Staged(model)
        found = alias.unscored(
            poll, workspace.store, workspace.ledger, scoring.inference_source(workspace), 0, rescore
        )
        return len(list(found))

    def test_they_share_a_run_that_lists_them(self, incoming: MakeWorkspace, test_csv: bytes) -> None:
        workspace = incoming()
        for name, data in (("a", rows(3)), ("b", test_csv), ("c", rows(4))):
            upload(workspace, data, f"in/{name}.csv")
        run_dag(workspace)
        found = records(workspace)
        [run] = runs(workspace)
        assert {record.outputs.run_id for record in found} == {run.info.run_id}
        assert (run.data.metrics["rows"], run.data.tags["iris.objects"]) == (37, "3")
        assert run.data.metrics["accuracy"] > 0.8
        digests = {one.dataset.digest for one in run.inputs.dataset_inputs}
        assert digests == {record.about.digest for record in found}
        listed = mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/objects.json")
        place = listed["columns"].index("scoring")
        assert {row[place] for row in listed["data"]} == {record.identity.path for record in found}
        packed = mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/predictions.zip")
        with zipfile.ZipFile(packed) as file:
            for record in found:
                name = record.outputs.predictions.key.rsplit("/", 1)[-1]
                assert file.read(name) == read(workspace, record)

    @pytest.mark.parametrize("beaten", [1, 3])
    def test_the_run_of_a_killed_attempt_is_finished_if_a_record_names_it(
        self, incoming: MakeWorkspace, monkeypatch: pytest.MonkeyPatch, beaten: int
    ) -> None:
        """Another attempt records the first, or all, before this one, which is killed before it settles."""
        workspace = incoming()
        for number in range(3):
            upload(workspace, rows(number + 1), f"in/{number}.csv")
        done = [
            one for shard in scoring.plan_shards(workspace) for one in scoring.score_shard(workspace, shard)
        ]

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:

            def logged_late(workspace: Workspace, batch: Any) -> str:
                run_id = results.log_run(workspace, batch)
                patch.setattr(publication, "log_run", results.log_run)
                scoring.publish_all(workspace, done[:beaten])
                patch.setattr(mlflow_runs, "settle_runs", killed)
                return run_id

            patch.setattr(publication, "log_run", logged_late)
            with pytest.raises(KeyboardInterrupt):
                scoring.publish_all(workspace, done)
        with pytest.raises(NothingOwed):
            run_dag(workspace)
        found = {run.info.run_id: run for run in runs(workspace)}
        settled = {name: (run.data.tags["iris.commit"], run.info.status) for name, run in found.items()}
        named = {record.outputs.run_id for record in records(workspace)}
        assert len(named) == (1 if beaten == 3 else 2)
        assert {settled.pop(run_id) for run_id in named} == {("committed", "FINISHED")}
        assert list(settled.values()) == [("lost", "KILLED")] * (2 - len(named))

    def test_one_that_cannot_be_written_does_not_hold_the_others(
        self, incoming: MakeWorkspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace = incoming()
        for number in range(4):
            upload(workspace, rows(number + 1), f"in/{number}.csv")
        [shard] = scoring.plan_shards(workspace)
        done = scoring.score_shard(workspace, shard)
        assert done[1].part
        gone = done[1].part.head
        assert gone
        workspace.store.admin.remove_object(gone.bucket, gone.key, version_id=gone.version_id)
        with pytest.raises(ObjectMissing):
            scoring.publish_all(workspace, done)
        assert len(records(workspace)) == 3
        assert len(run_dag(workspace)) == 1


class TestReplay:
    @pytest.fixture
    def scored(self, staged: Workspace, small_shards: None) -> tuple[Workspace, Record]:
        upload(staged, rows(300))
        run_dag(staged)
        return staged, records(staged)[0]

    def test_the_same_to_the_byte(self, scored: tuple[Workspace, Record]) -> None:
        workspace, record = scored
        done = replay(workspace, record.identity.path)
        assert (done.same, done.rows, done.reasons) == (True, 300, ())

    def test_formulas_are_defused_again_whatever_is_set_since(
        self, staged: Workspace, small_shards: None
    ) -> None:
        upload(staged, rows(300).replace(b'"x, 7"', b'"=1, 7"'))
        safe = staged.settings.model_copy(update={"csv_safe": True})
        run_dag(Workspace(safe, staged.store, staged.ledger, staged.actor))
        [record] = records(staged)
        assert b'"\'=1, 7"' in read(staged, record)
        assert replay(staged, record.identity.path).same

    def test_the_input_is_gone(self, scored: tuple[Workspace, Record]) -> None:
        workspace, record = scored
        given = expect(ScoredRecord, record).about
        workspace.store.admin.remove_object(given.bucket, given.key, version_id=given.version_id)
        done = replay(workspace, record.identity.path)
        assert not done.same
        assert done.reasons[0].startswith("the input is gone: s3://")

    def test_the_model_changed(
        self, scored: tuple[Workspace, Record], train_csv: bytes, tmp_path: Path
    ) -> None:
        workspace, record = scored
        [artifact] = set(tmp_path.rglob("model.skops"))
        import numpy as np
        import pandas as pd
        import skops.io
        from sklearn.dummy import DummyClassifier

        names = list(workspace.settings.project.table.feature_names)
        other = DummyClassifier(strategy="constant", constant="virginica")
        other.fit(
            pd.DataFrame(np.zeros((3, 4)), columns=names), list(workspace.settings.project.table.classes)
        )
        skops.io.dump(other, artifact)
        done = replay(workspace, record.identity.path)
        assert not done.same
        assert done.reasons[0].startswith("the model changed: version 1")
        then, now = (reason.split(":", 1)[1].strip() for reason in done.reasons[-2:])
        assert now.split(",")[-3] == "virginica" != then.split(",")[-3]
        stored = read(workspace, record)
        place = int(done.reasons[-3].split()[6])
        assert (
            stored[:place].rpartition(b"\n")[2].decode() == then[: len(stored[:place].rpartition(b"\n")[2])]
        )

    def test_a_library_changed(
        self, scored: tuple[Workspace, Record], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from iris_core.scoring import output
        from iris_core.scoring import replay as module

        workspace, record = scored
        monkeypatch.setattr(module, "libraries", lambda: {"polars": "99"})
        monkeypatch.setattr(output, "SOURCE_ROW", "another_name")
        done = replay(workspace, record.identity.path)
        assert not done.same
        assert any(reason.startswith("library changed: polars was") for reason in done.reasons)


class TestLocalFile:
    def test_as_the_pipeline_scores_it(self, staged: Workspace, test_csv: bytes, tmp_path: Path) -> None:
        path, out = tmp_path / "t.csv", tmp_path / "o.csv"
        path.write_bytes(test_csv)
        done = score_file(staged, LocalInput(path), "staging", out)
        upload(staged, test_csv)
        [published] = run_dag(staged)
        assert out.read_bytes() == read(staged, records(staged)[0])
        assert done.counts.quality
        assert (done.counts.rows, done.counts.quality.accuracy, done.model_version) == (
            30,
            published["accuracy"],
            1,
        )
        assert score_file(staged, LocalInput(path), "1", tmp_path / "p.csv").counts.rows == 30

    def test_from_a_pipe_to_a_pipe(
        self, staged: Workspace, test_csv: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, out = tmp_path / "t.csv", tmp_path / "o.csv"
        path.write_bytes(test_csv)
        score_file(staged, LocalInput(path), "staging", out)
        monkeypatch.setattr("iris_core.cli.scoring.deployed_workspace", lambda: staged)
        bad_row = b"1,x,2,3,setosa\n"
        done = CliRunner().invoke(app, ["score", "-"], input=test_csv + bad_row)
        assert done.exit_code == 0, done.stderr
        assert done.stdout_bytes == out.read_bytes()
        assert "30 rows with version 1 to -" in done.stderr
        assert "1 rejected, --out keeps them" in done.stderr
        both = CliRunner().invoke(app, ["score", "-", "--json"], input=test_csv)
        assert both.exit_code == 2
        empty = CliRunner().invoke(app, ["score", "-"], input=b"")
        assert empty.exit_code == 1
        assert empty.stderr.startswith("error standard input: ")

    def test_a_bad_file_leaves_no_output(self, staged: Workspace, tmp_path: Path) -> None:
        path, out = tmp_path / "t.csv", tmp_path / "o.csv"
        path.write_bytes(HEAD.encode() + b"1,x,2,3,4\n1,2,3,4,5\n")
        with pytest.raises(DataRejected, match="sepal_width"):
            score_file(staged, LocalInput(path), "1", out)
        assert sorted(found.name for found in tmp_path.glob("*.csv*")) == ["o.csv.rejects.csv", "t.csv"]


DYING = """
import os, signal, sys
from itertools import count
from iris_core import scoring
from iris_core.models import mlflow_runs
from iris_core.settings.variables import load_settings
from iris_core.ledger import Actor, Ledger
from iris_core.scoring import publication, results, shards
from iris_core.store.assembly import Assembly
from iris_core.store.objects import ObjectStore
from iris_core.ledger.workspace import access_from_settings, open_workspace

shards.MIB = shards.UNIT = int(sys.argv[2])
place = sys.argv[1]

def dying(owner, name, after):
    real = getattr(owner, name)
    def wrapped(*args, **kwargs):
        if after:
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(owner, name, wrapped)

def dying_at(owner, name, number):
    real, calls = getattr(owner, name), count(1)
    def wrapped(*args, **kwargs):
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(owner, name, wrapped)

settings = load_settings()
workspace = open_workspace(settings, access_from_settings(settings), Actor(owner="dying"))
planned = scoring.plan_shards(workspace)
if place == "part":
    dying(ObjectStore, "put", False)
done = [one for shard in planned for one in scoring.score_shard(workspace, shard)]
together = {
    "third object": (Assembly, "put_together", 3),
    "the shared run": (publication, "log_run", 1),
    "first commit": (Ledger, "commit", 1),
    "fourth commit": (Ledger, "commit", 4),
    "settling": (mlflow_runs, "settle_runs", 1),
    "second withdrawal": (publication, "withdraw", 2),
}
if place in together:
    dying_at(*together[place])
    scoring.publish_all(workspace, done)
owner, name, after = {
    "before joining": (Assembly, "put_together", False),
    "after joining": (Assembly, "put_together", True),
    "after the run": (publication, "log_run", True),
    "before commit": (Ledger, "commit", False),
    "after commit": (Ledger, "commit", True),
    "before the end": (publication, "withdraw", False),
}[place]
dying(owner, name, after)
scoring.publish_all(workspace, done)
"""


@pytest.mark.parametrize(
    "place",
    [
        "part",
        "before joining",
        "after joining",
        "after the run",
        "before commit",
        "after commit",
        "before the end",
    ],
)
def test_killed_at_any_moment(staged: Workspace, small_shards: None, place: str, tmp_path: Path) -> None:
    """What is visible is whole, and the next run finishes: predictions and records match one to one."""
    upload(staged, rows(500))
    die(staged, place, tmp_path)
    for key in keys(staged, "iris/predictions"):
        assert staged.store.get(staged.settings.bucket, key).count(b"\n") == 501
    try:
        run_dag(staged)
    except NothingOwed:
        assert place in ("after commit", "before the end")
    [record] = records(staged)
    assert keys(staged, "iris/predictions") == [record.outputs.predictions.key]
    assert read(staged, record).count(b"\n") == 501
    assert keys(staged, "manifests") == [record.outputs.manifest.key]
    assert replay(staged, record.identity.path).same
    with pytest.raises(NothingOwed):
        scoring.plan(staged)
    assert {run.info.status for run in runs(staged)} <= {"FINISHED", "KILLED"}
    [mine] = [run for run in runs(staged) if run.info.run_id == record.outputs.run_id]
    assert mine.data.tags["iris.commit"] == "committed"


def die(workspace: Workspace, place: str, folder: Path, mib: int = 8) -> None:
    """A process of its own that is killed there while it publishes.

    :param mib: what it takes for a MiB where it cuts objects.
    """
    settings, access = workspace.settings, access_from_settings(workspace.settings)
    environ = os.environ | {
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "MLFLOW_S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "AWS_ACCESS_KEY_ID": access.access_key_id,
        "AWS_SECRET_ACCESS_KEY": access.secret_access_key,
        "TEAM": settings.team,
        "TEAM_S3_TEST_KEY": settings.test_key,
    }
    done = subprocess.run(
        [sys.executable, "-c", DYING, place, str(mib)], env=environ, cwd=folder, check=False
    )
    assert done.returncode == -signal.SIGKILL


def runs(workspace: Workspace) -> list[Any]:
    experiment = mlflow.get_experiment_by_name(workspace.settings.names.inference_experiment)
    assert experiment
    return list(mlflow.MlflowClient().search_runs([experiment.experiment_id]))


@pytest.mark.parametrize(
    "place",
    ["third object", "the shared run", "first commit", "fourth commit", "settling", "second withdrawal"],
)
def test_killed_while_several_are_published(
    mlflow_db: Path, make_workspace: MakeWorkspace, train_csv: bytes, place: str, tmp_path: Path
) -> None:
    """Each object is published whole and once, by whichever attempt; nothing else stays."""
    workspace = make_workspace(TEAM_S3_TEST_KEY="in/")
    stage(workspace, train_csv)
    for number in range(6):
        upload(workspace, rows(number + 1), f"in/{number}.csv")
    die(workspace, place, tmp_path)
    try:
        run_dag(workspace)
    except NothingOwed:
        assert place in ("settling", "second withdrawal")
    with pytest.raises(NothingOwed):
        scoring.plan(workspace)
    found = records(workspace)
    assert sorted(record.evidence.rows for record in found) == [1, 2, 3, 4, 5, 6]
    for what, folder in (("predictions", "iris/predictions"), ("manifest", "manifests")):
        assert keys(workspace, folder) == sorted(getattr(record.outputs, what).key for record in found)
    for record in found:
        assert read(workspace, record).count(b"\n") == record.evidence.rows + 1
        assert replay(workspace, record.identity.path).same
    by_id = {run.info.run_id: run for run in runs(workspace)}
    assert {run.info.status for run in by_id.values()} <= {"FINISHED", "KILLED"}
    assert {by_id[record.outputs.run_id].data.tags["iris.commit"] for record in found} == {"committed"}


def test_a_bucket_holds_inputs_and_outputs_and_little_else(
    staged: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All versions counted: of the parts nothing stays, no delete marker either, and no unfinished upload."""
    monkeypatch.setattr(shards, "MIB", 1000)
    monkeypatch.setattr(shards, "UNIT", 1000)
    settings, admin = staged.settings, staged.store.admin
    for number in range(3):
        upload(staged, rows(20_000 + number))
        assert len(scoring.plan_shards(staged)) > 1
        run_dag(staged)
    every = list(admin.list_objects(settings.bucket, recursive=True, include_version=True))
    assert [one.object_name for one in every if one.is_delete_marker] == []
    assert [one.object_name for one in every if str(one.object_name).startswith("work/")] == []
    assert admin._list_multipart_uploads(settings.bucket).uploads == []
    sizes = dict.fromkeys((settings.test_key, settings.predictions_prefix), 0)
    for one in every:
        for kept in sizes:
            sizes[kept] += (one.size or 0) * str(one.object_name).startswith(kept)
    total = sum(one.size or 0 for one in every)
    inputs, outputs = sizes.values()
    print(f"{total:,} bytes, inputs {inputs:,}, outputs {outputs:,}")
    assert inputs > 1_000_000
    assert total <= 1.3 * inputs + outputs
