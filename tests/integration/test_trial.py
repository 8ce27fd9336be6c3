"""`iris init` and `iris try`: what they say is what the pipelines say of the same tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from iris_core import monitoring
from iris_core.cli import app
from iris_core.errors import DataRejected
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.tables import MemoryInput
from iris_core.trial import rehearse
from tests import kinds, loop
from tests.records import expect

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout, done.stderr


def check_a_rehearsal(workspace: Workspace, train: bytes, test: bytes) -> BatchDriftRecord:
    """Compare a rehearsal with what the pipelines say of the same tables; return their drift record."""
    settings = workspace.settings
    found = rehearse(settings, MemoryInput(train, "a"), MemoryInput(test, "b"))
    assert list(workspace.store.versions(settings.bucket, "")) == [], "a rehearsal records nothing"

    loop.train(workspace, train)
    scored = loop.score(workspace, test)
    [owed] = monitoring.plan_reports(workspace)
    monitoring.report(workspace, owed)

    ledger = workspace.ledger
    trained, judged = next(ledger.recent_of(TrainedRecord)), next(ledger.recent_of(VerdictRecord))
    assert found.fitted.metrics["accuracy"] == trained.evidence.accuracy
    checks, told = (reason.partition("; no champion")[0] for reason in (found.verdict.reason, judged.reason))
    assert checks == told
    assert found.scored is not None
    assert found.scored.classes == scored.evidence.classes
    assert found.scored.rejected == scored.evidence.rejected
    assert found.drift is not None
    drift = next(ledger.recent_of(BatchDriftRecord))
    assert (found.drift.severity, found.drift.sentence) == (drift.outcome, drift.reason)
    current = expect(BatchDriftRecord.Evidence, drift.evidence).current
    assert found.drift.shortened().model_dump(mode="json")["current"] == current
    return drift


def test_a_rehearsal_says_what_the_pipelines_say(
    tracked: Workspace, train_csv: bytes, test_csv: bytes
) -> None:
    check_a_rehearsal(tracked, train_csv, test_csv)


def test_a_rehearsal_learns_levels_and_leaves_rejected_rows_out(
    mlflow_db: Path, make_workspace: Callable[..., Workspace], tmp_path: Path
) -> None:
    project = kinds.PROJECT.model_dump(mode="json")
    city = next(one for one in project["table"]["features"] if one["name"] == "city")
    del city["levels"]
    (tmp_path / "project.json").write_text(json.dumps(project))
    workspace = make_workspace(IRIS_PROJECT_FILE=str(tmp_path / "project.json"), MAX_REJECT_SHARE="0.5")
    frame = kinds.homes(80, 2, has_unseen=True)
    no_size = pl.int_range(pl.len()) % 4 == 0
    frame = frame.with_columns(pl.when(no_size).then(pl.lit("")).otherwise("size").alias("size"))

    drift = check_a_rehearsal(
        workspace, kinds.as_csv(kinds.homes(400, 1)), kinds.as_csv(frame) + b"a row that is too short\n"
    )

    size = expect(BatchDriftRecord.Evidence, drift.evidence).current["size"]
    assert (size["count"], size["missing"]) == (60, 20)


def test_a_table_that_is_refused(tracked: Workspace, train_csv: bytes) -> None:
    with pytest.raises(DataRejected, match=r"column 'petal_width', row 2: found 'x'"):
        rehearse(
            tracked.settings, MemoryInput(train_csv.replace(b",1.0,versicolor", b",x,versicolor", 1), "a")
        )


def test_from_a_csv_to_a_verdict_in_two_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train_csv: bytes, test_csv: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flowers.csv").write_bytes(train_csv)
    Path("new.csv").write_bytes(test_csv)
    code, _, told = run("init", "--from", "flowers.csv", "--target", "species", "--out", "p.json")
    assert (code, "sepal_length: a number from 4." in told) == (0, True)
    monkeypatch.setenv("IRIS_PROJECT_FILE", "p.json")
    code, out, _ = run("try", "flowers.csv", "--test", "new.csv", "--json")
    found = json.loads(out)
    assert (code, found["promoted"], found["severity"]) == (0, True, "none")
    assert found["scored"]["rows"] == 30
    code, _, told = run("try", "flowers.csv", "--test", "new.csv")
    assert "would be staged" in told
    assert "drift none: No drift seen in 4 of 4 features" in told


def test_labels_that_nothing_tells_are_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train_csv: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    header, *rows = train_csv.decode().splitlines()
    labels = [row.rpartition(",")[2] for row in rows]
    moved = [
        f"{row.rpartition(',')[0]},{label}" for row, label in zip(rows, labels[7:] + labels[:7], strict=True)
    ]
    Path("t.csv").write_text("\n".join([header, *moved, ""]))
    code, _, told = run("try", "t.csv")
    assert (code, "would be refused" in told) == (1, True)


def test_nothing_is_written_over_and_nobody_is_asked_without_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train_csv: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flowers.csv").write_bytes(train_csv)
    Path("project.json").write_text("mine")
    code, _, told = run("init", "--from", "flowers.csv", "--target", "species")
    assert (code, Path("project.json").read_text()) == (1, "mine")
    assert "project.json exists and is not written over" in told
    code, _, told = run("init", "--from", "flowers.csv", "--out", "p.json")
    assert (code, Path("p.json").exists()) == (1, False)
    assert "Which column of flowers.csv is the class? Name it with --target." in told
