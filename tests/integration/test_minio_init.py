"""docker-compose.yml's `minio-init`: buckets on every store, users and their rights on a real MinIO."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path

import pytest
from minio.commonconfig import ENABLED, Filter
from minio.error import MinioException
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from deploy import minio_init
from deploy.lifecycle import ensure_lifecycle
from deploy.policies import pipeline_policy
from devstack.embedded_s3 import embedded_s3
from iris_core.doctor.rights import check_rights
from iris_core.doctor.store import check_store
from iris_core.errors import ObjectMissing, StoreError
from iris_core.settings.variables import load_settings
from iris_core.store.objects import ObjectStore, StoreAccess
from iris_provider_minio.stream import Pace, follow
from tests.real_minio import real_minio

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
USERS = {
    "MINIO_ROOT_USER": "iris-root",
    "MINIO_ROOT_PASSWORD": "root-secret-1",
    "AWS_ACCESS_KEY_ID": "iris-pipelines",
    "AWS_SECRET_ACCESS_KEY": "pipelines-secret-1",
    "MLFLOW_S3_ACCESS_KEY_ID": "iris-mlflow",
    "MLFLOW_S3_SECRET_ACCESS_KEY": "mlflow-secret-1",
    "UPLOAD_ACCESS_KEY_ID": "iris-uploads",
    "UPLOAD_SECRET_ACCESS_KEY": "uploads-secret-1",
}


def run(monkeypatch: pytest.MonkeyPatch, endpoint: str, **more: str) -> int:
    for name, value in {**USERS, "MLFLOW_S3_ENDPOINT_URL": endpoint, **more}.items():
        monkeypatch.setenv(name, value)
    return minio_init.main()


def store(endpoint: str, who: tuple[str, str]) -> ObjectStore:
    return ObjectStore(StoreAccess(endpoint, USERS[who[0]], USERS[who[1]]))


def test_creates_what_the_settings_name_and_may_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with embedded_s3(tmp_path, access_key="iris-root") as endpoint:
        assert [run(monkeypatch, endpoint, TEAM_DRIFT_BUCKET="reports") for _ in range(2)] == [0, 0]
        admin = store(endpoint, minio_init.ROOT).admin
        versioned = {name: admin.get_bucket_versioning(name).status for name in ("team-a-bucket", "reports")}
        assert versioned == {"team-a-bucket": "Enabled", "reports": "Enabled"}
        assert {bucket.name for bucket in admin.list_buckets()} == {"team-a-bucket", "reports", "mlflow"}
    told = capsys.readouterr().out
    assert "no MinIO admin API" in told
    assert "secret-1" not in told


def test_a_store_that_does_not_answer_is_an_exit_code_and_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "http://127.0.0.1:1") == 1
    assert "no answer from the store" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"UPLOAD_SECRET_ACCESS_KEY": ""}, "UPLOAD_SECRET_ACCESS_KEY not set: `make env`"),
        ({"AWS_ACCESS_KEY_ID": "iris-root"}, "two of them are the same"),
    ],
)
def test_missing_and_shared_credentials_are_refused(
    variables: dict[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "http://127.0.0.1:1", **variables) == 1
    assert told in capsys.readouterr().err


def test_no_secret_is_in_a_repr() -> None:
    assert "secret-1" not in repr(minio_init.users_of([load_settings({})], USERS))


def test_the_policy_that_the_documents_show_is_the_one_that_is_made() -> None:
    text = (ROOT / "docs/existing-airflow.md").read_text(encoding="utf-8")
    shown = re.search(r"```json\n(\{\n  \"Version\".*?)```", text, re.DOTALL)
    assert shown
    assert json.loads(shown[1]) == pipeline_policy(load_settings({}))


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MinIO with its users, and one object where each may read."""
    root = (USERS[minio_init.ROOT[0]], USERS[minio_init.ROOT[1]])
    with real_minio(tmp_path_factory.mktemp("minio"), root) as endpoint:
        for _ in range(2):
            minio_init.provision({**USERS, "MLFLOW_S3_ENDPOINT_URL": endpoint})
        admin = store(endpoint, minio_init.ROOT)
        for key in ("iris/iris_train.csv", "ledger/dev/record.json", "elsewhere.csv"):
            admin.put("team-a-bucket", key, b"x", "text/csv")
        admin.put("mlflow", "artifacts/1/model", b"x", "text/plain")
        yield endpoint


Step = Callable[[ObjectStore], object]


def put(bucket: str, key: str) -> Step:
    return lambda store: store.put(bucket, key, b"x", "text/plain")


def get(bucket: str, key: str) -> Step:
    return lambda store: store.get(bucket, key)


def delete(bucket: str, key: str) -> Step:
    def step(store: ObjectStore) -> None:
        store.put(bucket, key, b"x", "text/plain")
        store.delete(bucket, key)

    return step


def only_delete(bucket: str, key: str) -> Step:
    return lambda store: store.admin.remove_object(bucket, key)


def create(bucket: str, key: str) -> Step:
    return lambda store: store.create(bucket, key, b"x", "text/plain")


def multipart(bucket: str, key: str) -> Step:
    return lambda store: store.put_stream(bucket, key, iter([bytes(9 << 20)] * 2), "text/plain")


def erase(bucket: str, key: str) -> Step:
    def written_and_erased(store: ObjectStore) -> None:
        store.put(bucket, key, b"x", "text/plain")
        store.delete(bucket, key)
        store.erase(bucket, key)
        listed = store.admin.list_objects(bucket, key, recursive=True, include_version=True)
        assert list(listed) == []

    return written_and_erased


def delete_version(bucket: str, key: str) -> Step:
    return lambda store: store.admin.remove_object(bucket, key, version_id=str(uuid.uuid4()))


def lifecycle(bucket: str) -> Step:
    return lambda store: store.admin.get_bucket_lifecycle(bucket)


def list_versions(bucket: str) -> Step:
    return lambda store: list(store.versions(bucket, ""))


def versioning(bucket: str) -> Step:
    return lambda store: store.admin.get_bucket_versioning(bucket)


def make_bucket(store: ObjectStore) -> None:
    store.admin.make_bucket("another")


def listen(bucket: str) -> Step:
    async def first(access: StoreAccess) -> str:
        async def asked() -> StoreAccess:
            return access

        async with aclosing(follow(asked, bucket, Pace(ping_s=1))) as signals:
            return (await anext(signals)).kind

    def look(store: ObjectStore) -> None:
        kind = asyncio.run(first(store.access))
        assert kind == "subscribed", f"the stream was refused: {kind}"

    return look


def add_user(store: ObjectStore) -> None:
    users = minio_init.users_of([load_settings({})], USERS)
    minio_init.ensure_users(store.access, users)


ALLOWED: Mapping[tuple[str, str], list[Step]] = {
    minio_init.PIPELINES: [
        get("team-a-bucket", "iris/iris_train.csv"),
        list_versions("team-a-bucket"),
        versioning("team-a-bucket"),
        create("team-a-bucket", "ledger/dev/new.json"),
        put("team-a-bucket", "audit/dev/1.json"),
        put("team-a-bucket", "quarantine/dev/1.csv"),
        put("team-a-bucket", "manifests/dev/1.json"),
        put("team-a-bucket", "iris/drift/1.html"),
        multipart("team-a-bucket", "iris/predictions/1.csv"),
        delete("team-a-bucket", "work/dev/1/part.csv"),
        erase("team-a-bucket", "work/dev/1/part.csv"),
        lifecycle("team-a-bucket"),
        delete("team-a-bucket", "rejects/dev/1.csv"),
        delete("team-a-bucket", "manifests/dev/1.json"),
        listen("team-a-bucket"),
    ],
    minio_init.UPLOADS: [
        put("team-a-bucket", "iris/iris_train.csv"),
        multipart("team-a-bucket", "iris/iris_test.csv"),
        put("team-a-bucket", "iris/labels/monday.csv"),
        get("team-a-bucket", "ledger/dev/record.json"),
        list_versions("team-a-bucket"),
    ],
    minio_init.MLFLOW: [
        get("mlflow", "artifacts/1/model"),
        multipart("mlflow", "artifacts/2/model"),
        delete("mlflow", "artifacts/3/model"),
    ],
}
REFUSED: Mapping[tuple[str, str], list[Step]] = {
    minio_init.PIPELINES: [
        put("team-a-bucket", "iris/iris_train.csv"),
        put("team-a-bucket", "iris/labels/forged.csv"),
        put("team-a-bucket", "elsewhere.csv"),
        only_delete("team-a-bucket", "ledger/dev/record.json"),
        delete_version("team-a-bucket", "ledger/dev/record.json"),
        delete_version("team-a-bucket", "iris/predictions/1.csv"),
        get("mlflow", "artifacts/1/model"),
        make_bucket,
        add_user,
    ],
    minio_init.UPLOADS: [
        create("team-a-bucket", "ledger/dev/forged.json"),
        put("team-a-bucket", "iris/predictions/1.csv"),
        only_delete("team-a-bucket", "iris/iris_train.csv"),
        get("mlflow", "artifacts/1/model"),
        listen("team-a-bucket"),
        add_user,
    ],
    minio_init.MLFLOW: [
        get("team-a-bucket", "iris/iris_train.csv"),
        put("team-a-bucket", "iris/iris_train.csv"),
        list_versions("team-a-bucket"),
        make_bucket,
        add_user,
    ],
}


@pytest.mark.parametrize("who", ALLOWED, ids=lambda who: who[0])
def test_each_user_may_do_its_work(minio: str, who: tuple[str, str]) -> None:
    for step in ALLOWED[who]:
        step(store(minio, who))


@pytest.mark.parametrize("who", REFUSED, ids=lambda who: who[0])
def test_and_nothing_else(minio: str, who: tuple[str, str]) -> None:
    for number, step in enumerate(REFUSED[who]):
        with pytest.raises((StoreError, MinioException, AssertionError)) as refusal:
            step(store(minio, who))
        assert not isinstance(refusal.value, ObjectMissing), (who, number)
        told = str(refusal.value)
        assert re.search(r"refused|AccessDenied|Access Denied", told), (who, number, told)


@pytest.mark.parametrize("who", [minio_init.PIPELINES, minio_init.UPLOADS], ids=lambda who: who[0])
def test_doctor_finds_each_user_to_have_what_it_must_and_no_more(minio: str, who: tuple[str, str]) -> None:
    settings, asking = load_settings({}), store(minio, who)
    before = everything(minio)
    are_pipelines = who == minio_init.PIPELINES
    found = [
        *check_store(asking, settings, may_write=are_pipelines),
        *check_rights(asking, settings, are_pipelines),
    ]
    hidden = [] if are_pipelines else ["lifecycle"]
    assert [one.check for one in found if one.level != "well"] == hidden, found
    assert everything(minio) == before


def test_and_root_to_have_more(minio: str) -> None:
    found = list(check_rights(store(minio, minio_init.ROOT), load_settings({}), are_pipelines=True))
    assert [one.level for one in found] == ["well", "note"]
    swapped = list(check_rights(store(minio, minio_init.UPLOADS), load_settings({}), are_pipelines=True))
    assert [one.level for one in swapped] == ["ill", "note"]
    assert "ledger/" in swapped[0].said


def test_an_upload_that_is_given_up_leaves_no_parts(minio: str) -> None:
    pipelines, key = store(minio, minio_init.PIPELINES), "work/dev/given-up.csv"

    def unfinished() -> int:
        return len(pipelines.admin._list_multipart_uploads("team-a-bucket", prefix=key).uploads)

    def write_and_fail() -> None:
        with pipelines.writing("team-a-bucket", key, "text/csv") as writer:
            for _ in range(3):
                writer.write(bytes(9 << 20))
            time.sleep(0.5)
            assert unfinished() == 1, "nothing was begun that could be left"
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    assert unfinished() == 0


def test_the_rules_of_others_stay(minio: str) -> None:
    root, settings = store(minio, minio_init.ROOT), load_settings({})
    own = Rule(ENABLED, rule_filter=Filter(prefix="old/"), rule_id="mine", expiration=Expiration(days=30))
    root.admin.set_bucket_lifecycle("team-a-bucket", LifecycleConfig([own]))
    for _ in range(2):
        ensure_lifecycle(root, settings)
    config = root.admin.get_bucket_lifecycle("team-a-bucket")
    assert config
    names = [rule.rule_id for rule in config.rules]
    ours = ("checkpoints", "work", "rejects", "manifests", "iris-predictions")
    assert names == ["mine", *(f"iris-{name}" for name in ours)]


def everything(endpoint: str) -> list[tuple[str, str]]:
    admin = store(endpoint, minio_init.ROOT).admin
    listed = admin.list_objects("team-a-bucket", recursive=True, include_version=True)
    uploads = admin._list_multipart_uploads("team-a-bucket").uploads
    found = [(str(one.object_name), str(one.version_id)) for one in listed]
    return sorted([*found, *((one.object_name, str(one.upload_id)) for one in uploads)])


def test_a_changed_secret_is_taken_over(minio: str) -> None:
    changed = {**USERS, "UPLOAD_SECRET_ACCESS_KEY": "another-secret-2", "MLFLOW_S3_ENDPOINT_URL": minio}
    try:
        minio_init.provision(changed)
        with pytest.raises(StoreError, match="refused the credentials"):
            store(minio, minio_init.UPLOADS).get("team-a-bucket", "iris/iris_train.csv")
        renewed = StoreAccess(minio, USERS["UPLOAD_ACCESS_KEY_ID"], "another-secret-2")
        assert ObjectStore(renewed).get("team-a-bucket", "iris/iris_train.csv")
    finally:
        minio_init.provision({**USERS, "MLFLOW_S3_ENDPOINT_URL": minio})
