"""The command line teaches, answers at once, and reports errors without a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from iris_core.cli import app
from tests import kinds

run = CliRunner().invoke


def _leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every command that a person can give, such as `ledger at`."""
    inner = command.commands if isinstance(command, TyperGroup) else {}
    if path and (not inner or command.invoke_without_command):
        yield path
    for name, one in inner.items():
        yield from _leaves(one, (*path, name))


COMMANDS = sorted(_leaves(typer.main.get_command(app)))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of its own, and room for long lines."""
    monkeypatch.setenv("IRIS_HOME", str(tmp_path / ".iris"))
    monkeypatch.setenv("COLUMNS", "200")


def test_help_names_every_command() -> None:
    result = run(app, ["--help"])
    assert result.exit_code == 0
    named = {line.split()[1] for line in result.output.splitlines() if line.startswith("│ ")}
    assert named >= {path[0] for path in COMMANDS} >= {"up", "demo", "upload", "ledger", "replay", "drift"}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_teaches_by_example(path: tuple[str, ...]) -> None:
    result = run(app, [*path, "--help"])
    assert result.exit_code == 0
    _, _, examples = result.output.partition("Examples:")
    assert f"iris {' '.join(path)}" in examples


@pytest.mark.integration
def test_help_is_fast_because_it_imports_nothing_heavy() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from iris_core.cli import app;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        "heavy = {'pydantic', 'minio', 'obstore', 'httpx', 'psutil', 'moto', 'sklearn', 'mlflow', 'airflow'};"
        "print(*(heavy & sys.modules.keys()))"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    assert time.monotonic() - began < 10


@pytest.mark.integration
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {},
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set: the object store needs both. "
            "Set them, or start the local stack, whose own are used while it runs: `make up`.",
        ),
        ({"TEAM": "Team A"}, "TEAM=Team A"),
    ],
)
def test_an_error_is_one_message_without_a_traceback(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = run(app, ["ledger"])
    assert result.exit_code == 1
    assert f"error {message}" in result.stderr
    assert "Traceback" not in result.output


def test_a_backtest_names_its_built_in_tables() -> None:
    from iris_core.drift.backtest.populations import BUILT_IN

    told = run(app, ["drift", "backtest", "--help"]).output
    tables = " ".join(told.partition("Built-in tables:")[2].partition(".")[0].split())
    assert {*tables.replace(" ", "").split(",")} == {*BUILT_IN}
    refused = run(app, ["drift", "backtest", "--reference", "nosuch"])
    assert refused.exit_code == 1
    assert "no such file, and no built-in table: iris, normal," in refused.stderr


def test_a_drift_report_names_the_level_that_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project.json").write_text(kinds.PROJECT.model_dump_json())
    monkeypatch.setenv("IRIS_PROJECT_FILE", str(tmp_path / "project.json"))
    learnt, batch = tmp_path / "learnt.csv", tmp_path / "batch.csv"
    learnt.write_bytes(kinds.as_csv(kinds.homes(800, 1)))
    batch.write_bytes(kinds.as_csv(kinds.homes(400, 2, has_unseen=True)))
    told = run(app, ["drift", "report", str(batch), "--reference", str(learnt)])
    assert told.exit_code == 0, told.output
    assert (
        "city has levels that the model does not know in 6.5 % of the rows that have a value" in told.output
    )
    assert "levels changed by 0.0" in told.output
    assert "; '(other)' 0.0 % to 6.5 %" in told.output
    as_json = json.loads(
        run(app, ["drift", "report", str(batch), "--reference", str(learnt), "--json"]).stdout
    )
    assert as_json["current"]["pet"].keys() == {"count", "missing", "infinite", "levels"}


TABLE = "sepal_length,sepal_width,petal_length,petal_width,species\n5.1,3.5,1.4,0.2,setosa\n"


@pytest.mark.parametrize(
    "command",
    [
        "score {table} --out {out}",
        "card 1 --html {out}",
        "init --from {table} --target species --out {out}",
        "drift report {table} --reference {table} --html {out}",
        "drift backtest --plot {out}",
    ],
)
@pytest.mark.parametrize(("out", "why"), [("no/such", "has no folder"), ("folder", "is a folder")])
def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    command: str, out: str, why: str, tmp_path: Path
) -> None:
    table, named = tmp_path / "today.csv", tmp_path / out
    table.write_text(TABLE)
    (tmp_path / "folder").mkdir()
    result = run(app, command.format(table=table, out=named).split())
    assert result.exit_code == 2
    assert str(named) in result.stderr.replace("\n", "")
    assert why in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"today.csv", "folder"}


def test_a_table_is_not_scored_into_itself(tmp_path: Path) -> None:
    table = tmp_path / "today.csv"
    table.write_text(TABLE)
    result = run(app, ["score", str(table), "--out", str(tmp_path / "." / "today.csv")])
    assert result.exit_code == 2
    assert "the table itself" in result.stderr
    assert table.read_text() == TABLE


def test_a_picture_of_no_known_format_is_refused_before_any_work(tmp_path: Path) -> None:
    result = run(app, ["drift", "backtest", "--plot", str(tmp_path / "rates.foo")])
    assert result.exit_code == 1
    assert ".foo is no format of a picture. Known: " in result.stderr
    assert "png" in result.stderr


@pytest.mark.parametrize("command", [["drift", "backtest"], ["demo"]])
def test_a_seed_is_not_negative(command: list[str]) -> None:
    result = run(app, [*command, "--seed", "-1"])
    assert result.exit_code == 2
    assert "--seed" in result.stderr


@pytest.mark.parametrize("command", ["approve 1", "refuse 1", "rollback", "rollback 1", "retry s3://b/k.csv"])
@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_a_reason_has_words(command: str, reason: str) -> None:
    result = run(app, [*command.split(), "--reason", reason])
    assert result.exit_code == 2
    assert "'--reason': It is empty. Say why" in result.stderr


def test_an_outcome_that_no_decision_has_is_answered_with_those_that_there_are() -> None:
    result = run(app, ["ledger", "--outcome", "promote"])
    assert result.exit_code == 2
    told = " ".join(result.stderr.replace("│", " ").split())
    assert "'promote' is no outcome. Known: trained, " in told
    assert "promoted," in told
    assert "medium, high." in told
