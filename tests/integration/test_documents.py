"""The commands of README and pages, executed in a shell against a store and a registry with a past.

Each is typed as the page shows it; names of what differs from one deployment to the next are replaced
(`Past.typed`). What needs Docker or a cluster is marked on the page and left out; what needs a real MinIO is
executed where there are one and its client: `MINIO_BIN` and `MC_BIN`, or `minio` and `mc` on PATH.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from palmerpenguins import load_penguins

from deploy.policies import pipeline_policy
from iris_core import promotion, scoring
from iris_core.errors import ApprovalAwaited, TryFailed
from iris_core.ledger import Actor
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.requests import open_requests
from iris_core.ledger.workspace import Workspace
from iris_core.scoring import engine, flow
from iris_core.settings.variables import load_settings
from tests.documents import LANGUAGES, ROOT, commands, fences
from tests.loop import score_owed
from tests.real_minio import KEY, SECRET, real_minio
from tests.registry import train_one

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

MADE_BY_MAKE = {
    "make demo": "tests/e2e/test_demo.py runs it",
    "make test": "this is a part of it",
    "make setup": "CI and every other target run it",
    "make up": "tests/e2e/conftest.py runs it",
    "make bench-backtest": "half an hour; tests/unit/benchmarks/test_backtest.py runs it with few rounds",
}
"""Targets that are not executed here, and why; that they exist, with these variables, make itself says."""
ELSEWHERE = {
    ".venv/bin/pre-commit install": "installs a hook into the checkout",
    "uv build": "tests/integration/test_wheel.py builds the wheel and unpacks it",
    "pip install": "the same",
    "airflow providers get": "tests/integration/provider/test_foreign_airflow.py runs it in a clean Airflow",
    "IRIS_PROJECT_FILE=penguins.json iris demo": "tests/e2e/test_demo.py plays a demo on a stack of its own",
    "iris doctor --airflow": "tests/e2e/test_links.py runs it",
    "python -m deploy.mlflow_init": "tests/integration/test_mlflow_login.py runs it",
}
"""Beginnings of further commands that are not executed here, and why."""
MAY_END = {"iris doctor": (0, 1), "IRIS_PROJECT=penguins iris doctor": (0, 1), "iris status": (3,)}
"""Exit codes of commands that begin so: a finding is an answer, and no local stack runs."""
OF_PENGUINS = "TEAM_S3_BUCKET__PENGUINS"


def shown(*marks: str) -> list[str]:
    """The commands with these marks; without any, those that need nothing beside this checkout."""
    found = [
        one
        for fence in fences()
        if fence.language in LANGUAGES and fence.marks == marks
        for one in commands(fence)
    ]
    return list(dict.fromkeys(found))


@dataclass
class Past:
    """A deployment with a past: three versions, scorings, an object that was given up.

    :param workspace: of its default project.
    :param manual: the same, where a human is asked about each model.
    :param folder: where the commands run; it has the files that they name.
    :param environ: their environment.
    :param tables: training tables for further versions.
    """

    workspace: Workspace
    manual: Workspace
    folder: Path
    environ: dict[str, str]
    tables: Iterator[bytes]

    def typed(self, command: str) -> str:
        """The command for this deployment: bucket, record and version as they are here."""
        if re.search(r"\b(explain|approve|refuse) 4\b", command):
            command = re.sub(r"\b4\b", str(self._asked()), command, count=1)
        if "retry" in command:
            self._fail()
        if "rollback 2" in command:
            command = command.replace("rollback 2", "rollback 1")
        scored = next(self.workspace.ledger.recent_of(ScoredRecord)).identity.path
        command = re.sub(r"scoring/\d{4}-\S+", scored, command)
        return command.replace("team-a-bucket", self.workspace.settings.bucket)

    def _asked(self) -> int:
        record = train_one(self.manual, next(self.tables))
        with pytest.raises(ApprovalAwaited):
            promotion.register_step(self.manual, record.identity)
        return next(open_requests(self.manual.ledger)).inputs.version

    def _fail(self) -> None:
        """An object that breaks the code, three times."""
        settings = self.workspace.settings
        self.workspace.store.put(settings.bucket, "iris/in/today.csv", TABLE.encode(), "text/csv")

        def broken(*given: Any, **named: Any) -> Any:
            raise RecursionError("too deep")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(flow, "score_table", broken)
            for number in range(3):
                later = self.workspace.acting_as(Actor(owner="tester", dag_id="d", run_id=f"r{number}"))
                for shard in scoring.plan_shards(later):
                    with pytest.raises(TryFailed):
                        scoring.score_shard(later, shard)
        assert vars(flow)["score_table"] is engine.score_table


TABLE = "id,sepal_length,sepal_width,petal_length,petal_width\nf0,6.3,3.3,6.0,2.5\nf1,5.1,3.5,1.4,0.2\n"
ANSWERS = "id,species\nf0,virginica\nf1,setosa\n"


@pytest.fixture
def past(
    mlflow_db: Path,
    make_workspace: Callable[..., Workspace],
    iris_rows: tuple[list[str], list[str]],
    as_csv: Callable[[list[str]], bytes],
    tmp_path: Path,
) -> Past:
    """Files, versions and records that the pages' commands name."""
    projects = f"{ROOT / 'project.json'},{ROOT / 'projects/penguins/project.json'}"
    workspace = make_workspace(TEAM_S3_TEST_KEY="iris/in/", IRIS_PROJECT_FILE=projects)
    settings = workspace.settings
    manual = make_workspace(
        TEAM_S3_TEST_KEY="iris/in/",
        IRIS_PROJECT_FILE=projects,
        PROMOTION_APPROVAL="manual",
        TEAM=settings.team,
    )
    tables = (as_csv(iris_rows[0][: 119 - number]) for number in range(20))
    for number in range(3):
        promotion.promote(workspace, train_one(workspace, as_csv(iris_rows[0][: 100 + number])))
    workspace.store.put(settings.bucket, "iris/in/first.csv", TABLE.encode(), "text/csv")
    score_owed(workspace)
    folder = tmp_path / "here"
    folder.mkdir()
    _write_files(folder, as_csv(iris_rows[0]))
    access = workspace.store.access
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TEAM", "AIRFLOW"))}
    environ |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "IRIS_HOME": str(folder / ".iris"),
        "IRIS_PROJECT_FILE": projects,
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "MLFLOW_S3_ENDPOINT_URL": access.endpoint_url,
        "AWS_ACCESS_KEY_ID": access.access_key_id,
        "AWS_SECRET_ACCESS_KEY": access.secret_access_key,
        "TEAM": settings.team,
        "TEAM_S3_TEST_KEY": "iris/in/",
        OF_PENGUINS: settings.bucket,
        "RUN_OWNER": "jane",
        "COLUMNS": "200",
    }
    return Past(workspace, manual, folder, environ, tables)


def _write_files(folder: Path, train: bytes) -> None:
    rows = 400
    churn = "customer,tenure_months,monthly_charge,contract,support_call,zip,since,refund,churned"
    lines = [
        f"c{n},{n % 71},{20 + n % 97 + 0.5},{('monthly', 'yearly', '2 years')[n % 3]},{('no', 'yes')[n % 2]}"
        f",0{1000 + n % 7},2026-01-{1 + n % 28:02},{n % 119}.09,{'yes' if n % 71 < 9 else 'no'}"
        for n in range(rows)
    ]
    files = {
        "iris_train.csv": train.decode(),
        "today.csv": TABLE,
        "answers.csv": ANSWERS,
        "penguins.csv": load_penguins().to_csv(index=False),
        "churn.csv": "\n".join([churn, *lines, ""]),
        "churn_new.csv": "\n".join([churn, *lines[:60], ""]),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def mc(tmp_path: Path) -> Iterator[Callable[[str], subprocess.CompletedProcess[str]]]:
    """Types a command of MinIO's client, for a real MinIO that it knows as `local` and as `minio`."""
    client = os.environ.get("MC_BIN") or shutil.which("mc")
    if not client or not _is_of_minio(client):
        pytest.skip("no client of MinIO: MC_BIN is not set and there is no MinIO's `mc` on PATH")
    with real_minio(tmp_path / "data", (KEY, SECRET)) as endpoint:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/mc").symlink_to(client)
        (tmp_path / "policy.json").write_text(json.dumps(pipeline_policy(load_settings({}))))
        address = endpoint.replace("http://", f"http://{KEY}:{SECRET}@")
        environ = {
            "HOME": str(tmp_path),
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "MC_HOST_local": address,
            "MC_HOST_minio": address,
        }

        def typed(command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                env=environ,
                input="a-secret-of-the-user\n",
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        yield typed


def _is_of_minio(client: str) -> bool:
    """Whether this `mc` is MinIO's: a file manager has that name, too."""
    told = subprocess.run([client, "--version"], capture_output=True, text=True, check=False).stdout
    return "RELEASE" in told or "DEVELOPMENT" in told


def test_commands_for_a_real_minio(mc: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    found = sorted(shown("needs-minio"), key=lambda command: not command.startswith("mc mb"))
    assert len(found) >= 9
    record = "minio/team-a-bucket/ledger/prod/training/2026-11-23/a.json"
    failed = []
    for command in found:
        if command.startswith("mc rm"):
            command = re.sub(r"minio/\S+", record, command)
            assert mc(f"echo x | mc pipe {record}").returncode == 0
        done = mc(command)
        failed += [f"{command}\n{done.stdout}{done.stderr}"] if done.returncode else []
    assert not failed, "\n\n".join(failed)
    assert "Enabled" in mc("mc version info minio/team-a-bucket").stdout.title()
    assert mc("mc ls minio/team-a-bucket/ledger/prod/training/2026-11-23/").stdout == ""
    told = mc("mc admin user info minio iris-pipelines").stdout
    assert "PolicyName: iris-pipelines" in told, told


def test_every_command_does_what_its_page_says(past: Past) -> None:
    failed: list[str] = []
    for command in shown():
        if command.startswith("make ") or "make " in command.split("#")[0]:
            _check_make(command)
        elif not command.startswith(tuple(ELSEWHERE)):
            failed += _executed(past, command)
    assert not failed, "\n\n".join(failed)


def _executed(past: Past, command: str) -> list[str]:
    typed = past.typed(command)
    others = {OF_PENGUINS} if "IRIS_PROJECT_FILE=" in command else set()
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", typed],
        cwd=past.folder,
        env={name: value for name, value in past.environ.items() if name not in others},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    expected = next((codes for begin, codes in MAY_END.items() if command.startswith(begin)), (0,))
    if done.returncode in expected:
        return []
    return [f"{typed}\nended with {done.returncode}:\n{(done.stderr + done.stdout)[-1500:]}"]


def _check_make(command: str) -> None:
    """Ask make what it would do; what it does is tested elsewhere."""
    words = shlex.split(command, comments=True)
    target = next(word for word in words[words.index("make") + 1 :] if "=" not in word)
    assert f"make {target}" in MADE_BY_MAKE, f"{command}: say which test executes it, or mark what it needs"
    subprocess.run(
        ["make", "--dry-run", *words[words.index("make") + 1 :]], cwd=ROOT, check=True, capture_output=True
    )
