"""Inputs that people report (tests/fixtures/cases), through the functions that DAGs and `iris` call.

A case passes when what comes out is one of its right answers. `LATER` lists those that do not come out right
yet, and why; when one of them does, its test says so.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from iris_core import labels, promotion, scoring, training
from iris_core.drift.sides import compare, read_side
from iris_core.errors import DataRejected, IrisError, NothingOwed
from iris_core.ledger.records.objects import ObjectRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace, access_from_settings, open_workspace
from iris_core.settings.project import TableSchema
from iris_core.settings.project_files import load_project
from iris_core.settings.variables import load_settings
from iris_core.store.objects import ObjectVersion, StoreAccess, parse_uri
from iris_core.tables import LocalInput
from iris_core.training.validation import validate_training
from iris_provider_minio import notification
from tests.conftest import ACTOR
from tests.records import expect

pytestmark = [pytest.mark.integration, pytest.mark.slow]

FOLDER = Path(__file__).parents[1] / "fixtures/cases"
CASES: dict[str, dict[str, Any]] = {
    case["n"]: case for case in json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))
}
LATER: dict[str, str] = {}
"""Cases that do not come out right yet."""

Found = dict[str, Any]
Deploy = Callable[..., Workspace]
PROJECTS = {
    "": ("", "base_train.csv"),
    "bool": ("projects/boolean.json", "base_bool_train.csv"),
    "01": ("projects/zero_one.json", "base_01_train.csv"),
}
"""By the `model` of a case: the project, and what its model learns from."""


def is_right(found: Found, right: Found) -> bool:
    """Whether what was found is what a right answer says."""
    told = str(found.get("told", "")).lower()
    checks: dict[str, Callable[[Any], bool]] = {
        "says": lambda parts: all(part.lower() in told for part in parts),
        "any": lambda parts: any(part.lower() in told for part in parts),
        "accuracy_min": lambda least: (found["accuracy"] or 0) >= least,
        "same_as": lambda name: found["classes"] == found["same_as"][name],
    }
    return all(
        checks[key](value) if key in checks else found.get(key) == value for key, value in right.items()
    )


def table_of(project: str) -> TableSchema:
    return load_project(FOLDER / project if project else None).table


@pytest.fixture(scope="module")
def deploy(store_access: StoreAccess, mlflow_template: Path, tmp_path_factory: Any) -> Iterator[Deploy]:
    """`deploy(project, train)`: a fresh team with the project's table and a staged model of it."""
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:

        def make(project: str = "", train: str = "base_train.csv") -> Workspace:
            folder = tmp_path_factory.mktemp("deployment")
            (folder / "mlflow.db").write_bytes(mlflow_template.read_bytes())
            os.chdir(folder)  # MLflow puts the artifacts of a sqlite server below it
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            environ = {
                "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
                "MLFLOW_S3_ENDPOINT_URL": store_access.endpoint_url,
                "AWS_ACCESS_KEY_ID": store_access.access_key_id,
                "AWS_SECRET_ACCESS_KEY": store_access.secret_access_key,
                "TEAM": f"team_{uuid.uuid4().hex[:10]}",
                "TEAM_S3_TEST_KEY": "in/",
                "IRIS_PROJECT_FILE": str(FOLDER / project) if project else "",
            }
            settings = load_settings(environ)
            workspace = open_workspace(settings, access_from_settings(settings), ACTOR)
            workspace.store.ensure_bucket(settings.bucket)
            if train:
                put(workspace, settings.train_key, (FOLDER / "files" / train).read_bytes())
                work = training.train(
                    workspace, training.validate(workspace, training.reconcile_training(workspace))
                )
                promotion.register_step(workspace, work.identity)
            return workspace

        yield make
    os.chdir(before)


@pytest.fixture(scope="module")
def staged(deploy: Deploy) -> Workspace:
    return deploy()


def put(workspace: Workspace, key: str, data: bytes) -> ObjectVersion:
    return workspace.store.put(workspace.settings.bucket, key, data, "text/csv")


def score_what_landed(workspace: Workspace) -> None:
    """What the inference DAG does."""
    scored = []
    for shard in scoring.plan_shards(workspace):
        try:
            scored += scoring.score_shard(workspace, shard)
        except DataRejected:
            continue
    if scored:
        scoring.publish_all(workspace, scored)


def scored(workspace: Workspace) -> dict[str, Found]:
    """By key: what the records say of the objects that landed, and the classes that were published."""
    found: dict[str, Found] = {}
    for record in workspace.ledger.recent("scoring"):
        key = expect(ObjectRecord, record).about.key
        if not isinstance(record, ScoredRecord):
            found[key] = {"outcome": "refused", "told": record.reason}
            continue
        evidence = record.evidence
        data = workspace.store.read(record.outputs.predictions)
        found[key] = {
            "outcome": "scored",
            "rows": evidence.rows,
            "accuracy": evidence.accuracy,
            "told": str(evidence.unknown_labels),
            "classes": pl.read_csv(io.BytesIO(data), infer_schema=False)["prediction"].to_list(),
        }
    return found


@pytest.fixture(scope="module")
def published(deploy: Deploy) -> dict[str, Found]:
    """By file: what came of it; the files of one model land together and are scored in one run."""
    found: dict[str, Found] = {}
    for model, (project, train) in PROJECTS.items():
        cases = [
            case
            for case in CASES.values()
            if case["call"] == "score" and case["args"].get("model", "") == model
        ]
        if not cases:
            continue
        workspace = deploy(project, train)
        files = {Path(case["args"]["file"]).name for case in cases} | (
            {"base_unlabelled.csv"} if not model else set()
        )
        for name in files:
            put(workspace, f"in/{name}", (FOLDER / "files" / name).read_bytes())
        score_what_landed(workspace)
        found |= {key.removeprefix("in/"): each for key, each in scored(workspace).items()}
    return found


def train(case: Found) -> Found:
    table = table_of(case["args"].get("project", ""))
    try:
        evidence = validate_training(LocalInput(FOLDER / case["args"]["file"]), table)
    except DataRejected as error:
        return {"outcome": "refused", "told": str(error)}
    return {"outcome": "accepted", "rows": evidence.rows}


def fit_small(case: Found, deploy: Deploy) -> Found:
    workspace = deploy(case["args"]["project"], "")
    put(workspace, workspace.settings.train_key, (FOLDER / case["args"]["file"]).read_bytes())
    try:
        work = training.train(workspace, training.validate(workspace, training.reconcile_training(workspace)))
        promotion.register_step(workspace, work.identity)
    except (DataRejected, NothingOwed) as error:
        return {"outcome": "refused", "told": str(error)}
    return {"outcome": "fitted"}


def tokens(case: Found, workspace: Workspace) -> Found:
    """25 rows, one cell replaced by each token, plain and with a quoted cell elsewhere."""
    seen: dict[str, list[bool]] = {}
    for number, token in enumerate(case["args"]["tokens"]):
        plain = [f"{5 + row / 100},3.5,1.4,0.2,a" for row in range(25)]
        plain[11] = f"{token},3.5,1.4,0.2,a"
        for what, rows in (("plain", plain), ("quoted", [*plain[:-1], plain[-1].replace(",a", ',"a"')])):
            head = "sepal_length,sepal_width,petal_length,petal_width,note"
            put(workspace, f"in/{case['n']}-{number}-{what}.csv", "\n".join([head, *rows, ""]).encode())
    score_what_landed(workspace)
    found = scored(workspace)
    for number, token in enumerate(case["args"]["tokens"]):
        counts = [found[f"in/{case['n']}-{number}-{what}.csv"]["rows"] for what in ("plain", "quoted")]
        assert set(counts) <= {24, 25}, (token, counts)
        seen[token] = [count == 25 for count in counts]
    agree = all(plain == quoted for plain, quoted in seen.values())
    return {
        "outcome": "agree" if agree else "differ",
        "read": [token for token, rows in seen.items() if any(rows)],
        "unread": [token for token, rows in seen.items() if not all(rows)],
    }


def drift(case: Found) -> Found:
    table = table_of("")
    sides = (read_side(LocalInput(FOLDER / case["args"][side]), table) for side in ("reference", "current"))
    reference, current = sides
    verdict, _ = compare(reference, current, table)
    return {"severity": verdict.severity, "told": verdict.sentence}


def join(case: Found, deploy: Deploy) -> Found:
    workspace = deploy()
    put(workspace, "in/scored.csv", (FOLDER / case["args"]["scored"]).read_bytes())
    score_what_landed(workspace)
    try:
        found = labels.preview(workspace, LocalInput(FOLDER / case["args"]["labels"]))
    except DataRejected as error:
        return {"outcome": "refused", "told": str(error)}
    return {"outcome": "joined", "matched": found.matched, "told": labels.told(workspace, found)}


def content_encoding(workspace: Workspace) -> Found:
    packed = gzip.compress((FOLDER / "files/base_unlabelled.csv").read_bytes())
    workspace.store.admin.put_object(
        workspace.settings.bucket,
        "in/encoded.csv",
        io.BytesIO(packed),
        len(packed),
        metadata={"Content-Encoding": "gzip"},
    )
    score_what_landed(workspace)
    return scored(workspace)["in/encoded.csv"]


def config(case: Found) -> Found:
    try:
        settings = load_settings({**case["args"]["env"]})
    except IrisError as error:
        return {"outcome": "refused", "told": str(error)}
    return {"outcome": "accepted", "value": getattr(settings, case["args"]["field"])}


def keys(case: Found, deploy: Deploy) -> Found:
    """Each object is listed under its own name, its bytes are read, its address is typed back."""
    workspace = deploy("", "")
    content = {key: f"{number}".encode() for number, key in enumerate(case["args"]["keys"])}
    for key, data in content.items():
        workspace.store.admin.put_object(workspace.settings.bucket, key, io.BytesIO(data), len(data))
    listed = {
        item.object.key: item.object for item in workspace.store.versions(workspace.settings.bucket, "in/")
    }

    def is_whole(key: str) -> bool:
        if key not in listed or workspace.store.read(listed[key]) != content[key]:
            return False
        return case["call"] == "keys" or parse_uri(workspace.store, listed[key].uri) == listed[key]

    bad = [key for key in content if not is_whole(key)]
    return {"outcome": "ok", "bad": bad}


def markers(workspace: Workspace) -> Found:
    names = (
        "_SUCCESS",
        ".part-0.csv.crc",
        "_committed_17",
        "_temporary/0/x.csv",
        "run_$folder$",
        "part-0.csv",
    )
    for name in names:
        is_empty = name in ("_SUCCESS", "run_$folder$")
        put(workspace, f"in/{name}", b"" if is_empty else (FOLDER / "files/base_unlabelled.csv").read_bytes())
    return {"outcome": "ok", "owed": [work.object.key for work in scoring.plan(workspace)]}


def null_version(deploy: Deploy) -> Found:
    workspace = deploy("", "")
    bucket, store = f"{workspace.settings.bucket}-old", workspace.store
    store.ensure_bucket(bucket, versioned=False)
    store.put(bucket, "train.csv", b"old", "text/csv")
    [first] = [item.object for item in store.versions(bucket, "train.csv")]
    store.ensure_bucket(bucket)
    store.put(bucket, "train.csv", b"newer", "text/csv")
    contents = [store.read(item.object) for item in store.versions(bucket, "train.csv")]
    right = store.read(first) == b"old" and contents == [b"newer", b"old"]
    return {"outcome": "ok" if right else "gone"}


def events() -> Found:
    def record(name: str, key: str, **described: Any) -> dict[str, Any]:
        what = {"bucket": {"name": "b"}, "object": {"key": key, "eTag": "e", **described}}
        return {"eventName": f"s3:{name}", "eventTime": "2026-01-01T00:00:00.000Z", "s3": what}

    line = {
        "Records": [
            record("ObjectCreated:PutTagging", "a.csv", size=1),
            record("ObjectCreated:Put", "folder/", versionId="null"),
            record("ObjectCreated:Put", "b.csv", versionId="null"),
        ]
    }
    [landed] = notification.landed(json.dumps(line).encode())
    right = (landed.key, landed.version_id, landed.size) == ("b.csv", None, 0)
    return {"outcome": "ok" if right else "wrong"}


def poison(case: Found, deploy: Deploy) -> Found:
    workspace = deploy()
    bad = (FOLDER / case["args"]["bad"]).read_bytes()
    key = case["args"].get("key", "in/a.parquet")
    workspace.store.admin.put_object(workspace.settings.bucket, key, io.BytesIO(bad), len(bad))
    put(workspace, "in/b.csv", (FOLDER / "files/base_unlabelled.csv").read_bytes())
    score_what_landed(workspace)
    found = sorted(scored(workspace).items())
    return {
        "outcome": "ok",
        "scored": [name for name, each in found if each["outcome"] == "scored"],
        "rejected": [name for name, each in found if each["outcome"] == "refused"],
    }


@pytest.mark.parametrize("n", CASES)
def test_case(n: str, deploy: Deploy, request: pytest.FixtureRequest) -> None:
    case = CASES[n]
    found = found_of(case, deploy, request)
    right = any(is_right(found, answer) for answer in case["right"])
    told = {key: value for key, value in found.items() if key not in ("classes", "same_as")}
    if n in LATER:
        assert not right, f"{n} comes out right: take it off LATER"
    else:
        assert right, f"{case['title']}: expected {case['expected']}; found {told}"


def found_of(case: Found, deploy: Deploy, request: pytest.FixtureRequest) -> Found:
    calls: dict[str, Callable[[], Found]] = {
        "train": lambda: train(case),
        "fit_small": lambda: fit_small(case, deploy),
        "score": lambda: _published(case, request.getfixturevalue("published")),
        "tokens": lambda: tokens(case, request.getfixturevalue("staged")),
        "tokens_bad": lambda: tokens(case, request.getfixturevalue("staged")),
        "drift": lambda: drift(case),
        "labels": lambda: join(case, deploy),
        "config": lambda: config(case),
        "keys": lambda: keys(case, deploy),
        "uris": lambda: keys(case, deploy),
        "markers": lambda: markers(deploy()),
        "null_version": lambda: null_version(deploy),
        "events": events,
        "poison": lambda: poison(case, deploy),
        "content_encoding": lambda: content_encoding(request.getfixturevalue("staged")),
    }
    return calls[case["call"]]()


def _published(case: Found, found: dict[str, Found]) -> Found:
    same = {"base_unlabelled.csv": found["base_unlabelled.csv"]["classes"]}
    return {**found[Path(case["args"]["file"]).name], "same_as": same}
