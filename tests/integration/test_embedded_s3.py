"""The embedded S3 against recorded MinIO events, real clients, concurrency and SIGKILL.

`test_events_match_the_records` also runs against a real MinIO when `MINIO_BIN` or a `minio` on PATH is there.
"""

from __future__ import annotations

import asyncio
import functools
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import boto3
import minio
import obstore
import pytest
import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store

from devstack.embedded_s3 import embedded_s3
from iris_core.errors import StackError
from tests.real_minio import KEY, SECRET, real_minio, wait_until

pytestmark = pytest.mark.integration

RECORDS = Path(__file__).parents[1] / "fixtures" / "minio-records" / "stream.jsonl"
ROOT = Path(__file__).parents[2]
SPECIAL_KEY = "iris/a b+c%d/ü é&=?#.csv"
CREATED, REMOVED, ACCESSED = "s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectAccessed:*"
ALL_EVENTS = (ACCESSED, CREATED, REMOVED)
CSV = b"a,b\n1,2\n"


@functools.cache
def boto(endpoint: str, key: str = KEY) -> Any:
    config = Config(
        retries={"max_attempts": 1},
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        max_pool_connections=32,
    )
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=config,
    )


def object_store(endpoint: str, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=endpoint,
        access_key_id=KEY,
        secret_access_key=SECRET,
        region="us-east-1",
        client_options={"allow_http": True},
    )


def minio_client(endpoint: str) -> minio.Minio:
    return minio.Minio(urlsplit(endpoint).netloc, access_key=KEY, secret_key=SECRET, secure=False)


class Listener:
    """A signed listen request; constructed = subscribed."""

    def __init__(self, endpoint: str, bucket: str, *, key: str = KEY, **query: Any) -> None:
        query = {"events": ALL_EVENTS, "ping": 1} | query
        url = f"{endpoint}/{bucket}?" + urlencode(sorted(query.items()), doseq=True)
        request = AWSRequest("GET", url)
        S3SigV4Auth(Credentials(key, SECRET), "s3", "us-east-1").add_auth(request)
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        self._connection.request("GET", f"{parts.path}?{parts.query}", headers=dict(request.headers))
        self.response = self._connection.getresponse()

    def line(self) -> Any:
        return json.loads(self.response.readline())

    def record(self) -> dict[str, Any]:
        while not (records := self.line()["Records"]):
            pass
        (record,) = records
        return dict(record)

    def until(self, key: str) -> list[dict[str, Any]]:
        """The records before the one about `key`."""
        return list(iter_until(self.record, lambda r: r["s3"]["object"]["key"] == key))

    def close(self) -> None:
        self.response.close()
        self._connection.close()


def iter_until(
    take: Callable[[], dict[str, Any]], is_last: Callable[[Any], bool]
) -> Iterator[dict[str, Any]]:
    while not is_last(record := take()):
        yield record


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s3")


@pytest.fixture(scope="module")
def store(data: Path) -> Iterator[str]:
    with embedded_s3(data, access_key=KEY) as url:
        yield url


@pytest.fixture
def bucket(store: str, request: pytest.FixtureRequest) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:60].strip("-")
    boto(store).create_bucket(Bucket=name)
    return name


@contextmanager
def child(data: Path, port: int = 0, **env: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The store as a process; killed at the end if it still runs."""
    command = [sys.executable, "-m", "devstack.embedded_s3", "--data", str(data), "--port", str(port)]
    environment = os.environ | {"AWS_ACCESS_KEY_ID": KEY} | env
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.communicate()


# --- the same events as MinIO -------------------------------------------------------------------------------

Step = Callable[[Any, str, dict[str, Any]], Any]


def multipart(s3: Any, bucket: str, _seen: dict[str, Any]) -> Any:
    target = {"Bucket": bucket, "Key": "iris/multi.csv"}
    upload = s3.create_multipart_upload(**target)["UploadId"]
    sizes = (5 << 20, 5 << 20, 11_000_000 - (10 << 20))
    parts = [
        {
            "PartNumber": n,
            "ETag": s3.upload_part(**target, UploadId=upload, PartNumber=n, Body=b"x" * size)["ETag"],
        }
        for n, size in enumerate(sizes, start=1)
    ]
    return s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})


def presigned_put(s3: Any, bucket: str, _seen: dict[str, Any]) -> None:
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "iris/pre.csv"})
    answer = urllib3.request("PUT", url, body=b"1", headers={"User-Agent": "Boto3"})
    assert answer.status == 200, answer.data


def post_form(s3: Any, bucket: str, _seen: dict[str, Any]) -> None:
    content_type = {"Content-Type": "text/csv"}
    post = s3.generate_presigned_post(bucket, "iris/post.csv", Fields=content_type, Conditions=[content_type])
    fields = post["fields"] | {"file": ("post.csv", b"1")}
    answer = urllib3.request("POST", post["url"], fields=fields, headers={"User-Agent": "Boto3"})
    assert answer.status == 204, answer.data


def refused_put(s3: Any, bucket: str, _seen: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="ledger/1", Body=b"2", IfNoneMatch="*")


def call(operation: str, key: str, **arguments: Any) -> Step:
    return lambda s3, bucket, _seen: getattr(s3, operation)(Bucket=bucket, Key=key, **arguments)


def bulk_delete(s3: Any, bucket: str, _seen: dict[str, Any]) -> Any:
    objects = [{"Key": "iris/empty.csv"}, {"Key": "iris/pre.csv"}]
    return s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})


def copy_from_train(key: str, **arguments: Any) -> Step:
    return lambda s3, bucket, _seen: s3.copy_object(
        Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": "iris/iris_train.csv"}, **arguments
    )


def delete_version(key: str, step: str) -> Step:
    """Delete the version that an earlier step's answer names."""
    return lambda s3, bucket, seen: s3.delete_object(
        Bucket=bucket, Key=key, VersionId=seen[step]["VersionId"]
    )


TRAIN = "iris/iris_train.csv"
STEPS: dict[str, Step] = {
    "put small": call("put_object", TRAIN, Body=CSV, ContentType="text/csv", Metadata={"Owner": "x"}),
    "overwrite same bytes": call("put_object", TRAIN, Body=CSV, ContentType="text/csv"),
    "put empty": call("put_object", "iris/empty.csv", Body=b""),
    "special key": call("put_object", SPECIAL_KEY, Body=b"1"),
    "multipart": multipart,
    "copy": copy_from_train("iris/copy.csv"),
    "copy onto itself (metadata)": copy_from_train(TRAIN, MetadataDirective="REPLACE", Metadata={"N": "1"}),
    "tagging": call("put_object_tagging", TRAIN, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
    "delete tagging": call("delete_object_tagging", TRAIN),
    "get": call("get_object", TRAIN),
    "head": call("head_object", TRAIN),
    "presigned put": presigned_put,
    "post form": post_form,
    "put if-none-match (fresh)": call("put_object", "ledger/1", Body=b"1", IfNoneMatch="*"),
    "put if-none-match (refused)": refused_put,
    "folder marker": call("put_object", "iris/dir/", Body=b""),
    "delete": call("delete_object", "iris/copy.csv"),
    "delete missing": call("delete_object", "iris/nope.csv"),
    "bulk delete": bulk_delete,
}
VERSIONED_STEPS = {
    "delete one version": delete_version(TRAIN, "put small"),
    "remove delete marker (restore)": delete_version("iris/copy.csv", "delete"),
}
LOCKED_STEPS = {
    "put in lock bucket": call("put_object", "k", Body=b"1"),
    "legal hold": call("put_object_legal_hold", "k", LegalHold={"Status": "ON"}),
    "legal hold off": call("put_object_legal_hold", "k", LegalHold={"Status": "OFF"}),
}
NOT_EMBEDDED = {"post form"}


class Comparable:
    """Records with times, ids and hosts replaced: version ids and sequencers by their order of appearance."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def __call__(self, step: str, record: dict[str, Any], bucket: str) -> dict[str, Any]:
        text = json.dumps(record).replace(record["s3"]["bucket"]["name"], bucket)
        record = json.loads(text)
        obj, elements = record["s3"]["object"], record["responseElements"]
        for field in ("versionId", "sequencer"):
            if field in obj and obj[field] != "null":
                obj[field] = self._names.setdefault(obj[field], f"{field} {len(self._names)}")
        for field in ("x-amz-id-2", "x-amz-request-id", "x-minio-deployment-id", "x-minio-origin-endpoint"):
            elements[field] = field in elements
        # The embedded store does not tell how long the answer was.
        elements.pop("content-length", None)
        record["eventTime"] = re.sub(r"\d", "0", record["eventTime"])
        # The recording kept the name in the client's user agent, without versions.
        record["source"]["userAgent"] = record["source"]["userAgent"].partition("/")[0]
        return {"step": step} | dict(record)


def recorded(bucket: str, left_out: Collection[str] = ()) -> list[dict[str, Any]]:
    comparable = Comparable()
    lines = [json.loads(line) for line in RECORDS.read_text().splitlines()]
    return [
        comparable(line["step"], line["record"], bucket)
        for line in lines
        if line["bucket"] == bucket and line["step"] not in left_out
    ]


def observed(endpoint: str, bucket: str, steps: dict[str, Step], **create: Any) -> list[dict[str, Any]]:
    """Run the steps; after each, a put of a known key shows that all its events have come."""
    s3, comparable = boto(endpoint), Comparable()
    name = f"rec-{bucket}"
    s3.create_bucket(Bucket=name, **create)
    if bucket == "versioned":
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    listener, events = Listener(endpoint, name), []
    seen: dict[str, Any] = {}
    for number, (step, run) in enumerate(steps.items()):
        seen[step] = run(s3, name, seen)
        s3.put_object(Bucket=name, Key=f"sync/{number}")
        events += [comparable(step, record, bucket) for record in listener.until(f"sync/{number}")]
    listener.close()
    return events


@pytest.fixture(params=["embedded", "minio"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "minio":
        with real_minio(tmp_path) as url:
            yield url
    else:
        yield request.getfixturevalue("store")


def test_events_match_the_records(endpoint: str, request: pytest.FixtureRequest) -> None:
    embedded = request.node.callspec.params["endpoint"] == "embedded"
    left_out = NOT_EMBEDDED if embedded else set()
    for bucket, steps in (("plain", STEPS), ("versioned", STEPS | VERSIONED_STEPS)):
        done = {name: step for name, step in steps.items() if name not in left_out}
        assert observed(endpoint, bucket, done) == recorded(bucket, left_out)
    if not embedded:
        locked = observed(endpoint, "locked", LOCKED_STEPS, ObjectLockEnabledForBucket=True)
        assert locked == recorded("locked")


# --- the listen API -----------------------------------------------------------------------------------------


def test_listener_is_subscribed_when_headers_come_and_gets_pings(store: str, bucket: str) -> None:
    listener = Listener(store, bucket)
    assert listener.response.getheader("Content-Type") == "text/event-stream"
    boto(store).put_object(Bucket=bucket, Key="k", Body=b"1")
    assert listener.record()["s3"]["object"]["key"] == "k"
    assert listener.line() == {"Records": None}
    listener.close()


def test_filters(store: str, bucket: str) -> None:
    listener = Listener(store, bucket, events=(CREATED,), prefix="iris/", suffix=".csv")
    s3 = boto(store)
    for key in ("other/a.csv", "iris/a.txt", "iris/a.csv"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    s3.delete_object(Bucket=bucket, Key="iris/a.csv")
    s3.put_object(Bucket=bucket, Key="iris/end.csv", Body=b"1")
    assert [r["s3"]["object"]["key"] for r in listener.until("iris/end.csv")] == ["iris/a.csv"]
    listener.close()


@pytest.mark.parametrize(
    ("name", "query", "status", "code"),
    [
        ("no-such-bucket", {}, 404, "NoSuchBucket"),
        ("listen-errors", {"key": "wrong"}, 403, "InvalidAccessKeyId"),
        ("listen-errors", {"events": ("s3:Nonsense",)}, 400, "InvalidArgument"),
        ("listen-errors", {"ping": 0}, 400, "InvalidQueryParameterValue"),
    ],
)
def test_listen_errors_come_at_once(
    store: str, name: str, query: dict[str, Any], status: int, code: str
) -> None:
    if name == "listen-errors" and name not in _buckets(store):
        boto(store).create_bucket(Bucket=name)
    listener = Listener(store, name, **query)
    assert listener.response.status == status
    assert f"<Code>{code}</Code>" in listener.response.read().decode()
    listener.close()


def _buckets(store: str) -> set[str]:
    return {b["Name"] for b in boto(store).list_buckets()["Buckets"]}


def test_minio_py_and_aiohttp_listen(store: str, bucket: str) -> None:
    s3 = boto(store)
    with ThreadPoolExecutor(2) as pool:
        by_minio = pool.submit(_first_event_of_minio_py, store, bucket)
        by_aiohttp = pool.submit(asyncio.run, _first_event_of_aiohttp(s3, store, bucket))
        while not (by_minio.done() and by_aiohttp.done()):
            s3.put_object(Bucket=bucket, Key=SPECIAL_KEY, Body=b"1")
        assert by_minio.result(5) == by_aiohttp.result(5) == SPECIAL_KEY


def _first_event_of_minio_py(endpoint: str, bucket: str) -> str:
    with minio_client(endpoint).listen_bucket_notification(bucket, events=(CREATED,)) as events:
        return str(next(events)["Records"][0]["s3"]["object"]["key"])


async def _first_event_of_aiohttp(s3: Any, endpoint: str, bucket: str) -> str:
    # Any presigned query proves the access key; aiohttp offers gzip and must still get lines at once.
    signature = urlsplit(s3.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket})).query
    url = f"{endpoint}/{bucket}?events={CREATED}&ping=1&{signature}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        async for line in response.content:
            if records := json.loads(line)["Records"]:
                return str(records[0]["s3"]["object"]["key"])
    raise AssertionError("stream ended")


@pytest.mark.slow
def test_a_listener_that_stops_reading_blocks_nobody_and_is_cut_off(store: str, bucket: str) -> None:
    s3, many = boto(store), [{"Key": f"{'long/' * 50}{number}"} for number in range(1000)]
    hanging, reader = Listener(store, bucket), Listener(store, bucket)
    told = 0
    for _ in range(45):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": many})
        told += sum(reader.record()["eventName"] == "s3:ObjectRemoved:NoOP" for _ in many)
    assert told == 45_000
    received = 0
    with suppress(OSError, http.client.HTTPException):
        while line := hanging.response.readline():
            received += bool(json.loads(line)["Records"])
    assert 0 < received < told
    for listener in (hanging, reader):
        listener.close()


# --- who gets in --------------------------------------------------------------------------------------------


def test_access(store: str, bucket: str) -> None:
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        boto(store, key="someone").list_buckets()
    for path, status in {
        f"/{bucket}": 403,
        "/": 403,
        "/minio/health/live": 200,
        "/minio/health/ready": 200,
    }.items():
        assert urllib3.request("GET", store + path).status == status, path


def test_what_it_does_not_implement_is_said(store: str, bucket: str) -> None:
    """Of each way in which clients ask; tests/unit/devstack/embedded_s3/test_calls.py has more."""
    s3 = boto(store)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    suspended, hold = {"Status": "Suspended"}, {"Status": "ON"}
    for ask in (
        lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=suspended),
        lambda: s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold=hold),
        lambda: s3.get_object_retention(Bucket=bucket, Key="k"),
        lambda: s3.put_object(Bucket=bucket, Key="k2", Body=b"1", ServerSideEncryption="AES256"),
        lambda: s3.create_bucket(Bucket="lockable", ObjectLockEnabledForBucket=True),
        lambda: s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read"),
        lambda: s3.get_bucket_replication(Bucket=bucket),
    ):
        with pytest.raises(ClientError, match="NotImplemented") as caught:
            ask()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]
    assert "lockable" not in _buckets(store)
    post = s3.generate_presigned_post(bucket, "form")
    answer = urllib3.request("POST", post["url"], fields=post["fields"] | {"file": ("k", b"1")})
    assert answer.status in (403, 501)
    old = boto3.client(
        "s3",
        endpoint_url=store,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(signature_version="s3", retries={"max_attempts": 1}),
    )
    with pytest.raises(ClientError, match="NotImplemented"):
        old.list_buckets()


def test_a_start_that_fails_is_an_error(data: Path, store: str) -> None:
    with pytest.raises(StackError, match="did not start"), embedded_s3(data, access_key=KEY):
        pass


def test_command_line_refuses(store: str, data: Path, tmp_path: Path) -> None:
    taken = str(urlsplit(store).port)
    in_use = str(data)
    refused = {
        f"127.0.0.1:{taken}": ["--access-key", KEY, "--data", str(tmp_path), "--port", taken],
        f"{in_use} is in use": ["--access-key", KEY, "--data", in_use, "--port", "0"],
        "No access key: set AWS_ACCESS_KEY_ID": ["--access-key", "", "--data", str(tmp_path), "--port", "0"],
    }
    command = [sys.executable, "-m", "devstack.embedded_s3"]
    started = {
        message: subprocess.Popen(command + arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for message, arguments in refused.items()
    }
    for message, process in started.items():
        stderr = _stderr_of(process)
        assert (process.returncode, len(stderr.splitlines())) == (2, 1), stderr
        assert message in stderr


def _stderr_of(process: subprocess.Popen[str]) -> str:
    """All it says until it ends, killed after 20 seconds."""
    try:
        return process.communicate(timeout=20)[1]
    finally:
        process.kill()
        process.wait()


# --- clients ------------------------------------------------------------------------------------------------


def test_requests_that_moto_alone_would_refuse(store: str, bucket: str) -> None:
    s3 = boto(store)
    s3.create_bucket(Bucket="located", CreateBucketConfiguration={"LocationConstraint": "us-east-1"})
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"].strip('"')
    assert s3.head_object(Bucket=bucket, Key="k", IfMatch=etag)["ContentLength"] == 1
    assert s3.head_object(Bucket=bucket, Key="k", VersionId="null")["ContentLength"] == 1
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.get_object(Bucket=bucket, Key="k", IfMatch="0" * 32)


def test_cut_upload_leaves_nothing(store: str, bucket: str) -> None:
    s3 = boto(store)
    url = urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "cut"}))
    with socket.create_connection(("127.0.0.1", url.port or 0)) as connection:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        assert b"200 OK" not in connection.makefile("rb").read()
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_obstore(store: str, bucket: str) -> None:
    s3 = boto(store)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    objects = object_store(store, bucket)
    first = obstore.put(objects, "a/1.csv", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(objects, "a/1.csv", b"second", mode="create")
    second = obstore.put(objects, "a/1.csv", b"second")
    assert obstore.get(objects, "a/1.csv", options={"version": first["version"]}).bytes() == b"first"
    assert obstore.get(objects, "a/1.csv", options={"if_match": second["e_tag"]}).bytes() == b"second"
    with pytest.raises(PreconditionError):
        obstore.get(objects, "a/1.csv", options={"if_match": first["e_tag"]})
    obstore.copy(objects, "a/1.csv", "a/2.csv")
    assert _listed(objects, "a") == ["a/1.csv", "a/2.csv"]
    assert _listed(objects, "a", offset="a/1.csv") == ["a/2.csv"]
    obstore.delete(objects, "a/1.csv")
    assert _listed(objects) == ["a/2.csv"]
    big = bytes(20 << 20)
    obstore.put(objects, "big", big)
    assert obstore.get(objects, "big").bytes() == big
    assert obstore.get_range(objects, "big", start=5, length=3) == b"\0\0\0"


def _listed(objects: S3Store, prefix: str | None = None, offset: str | None = None) -> list[str]:
    return [meta["path"] for batch in obstore.list(objects, prefix, offset=offset) for meta in batch]


def test_minio_py_buckets_and_versions(store: str, bucket: str) -> None:
    client, s3 = minio_client(store), boto(store)
    client.make_bucket("by-minio-py", location="us-east-1")
    assert client.bucket_exists("by-minio-py")
    assert not client.bucket_exists("missing")
    client.set_bucket_versioning("by-minio-py", VersioningConfig(ENABLED))
    ids = [s3.put_object(Bucket="by-minio-py", Key="k", Body=b"1")["VersionId"] for _ in range(2)]
    ids.append(s3.delete_object(Bucket="by-minio-py", Key="k")["VersionId"])
    listed = list(client.list_objects("by-minio-py", include_version=True))
    assert {o.version_id: (o.is_latest == "true", o.is_delete_marker) for o in listed} == {
        ids[0]: (False, False),
        ids[1]: (False, False),
        ids[2]: (True, True),
    }
    versions = s3.list_object_versions(Bucket="by-minio-py")
    assert [v["VersionId"] for v in versions["Versions"]] == ids[1::-1]
    with pytest.raises(ClientError, match="BucketAlreadyOwnedByYou"):
        s3.create_bucket(Bucket="by-minio-py")


def test_what_was_there_before_versioning_stays_readable_as_null(store: str, bucket: str) -> None:
    s3 = boto(store)
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    s3.put_object(Bucket=bucket, Key="untouched", Body=b"1")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    newer = s3.put_object(Bucket=bucket, Key="k", Body=b"after")["VersionId"]
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"before"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"after"
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [(v["Key"], v["VersionId"]) for v in versions] == [
        ("k", newer),
        ("k", "null"),
        ("untouched", "null"),
    ]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=newer)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"


def test_uploads_in_parts_are_listed_and_aborted(store: str, data: Path, bucket: str) -> None:
    s3, target = boto(store), {"Bucket": bucket, "Key": "multi"}
    upload = s3.create_multipart_upload(**target)["UploadId"]
    for number in (1, 2, 2):
        s3.upload_part(**target, UploadId=upload, PartNumber=number, Body=b"parts of 23 bytes" * 4)
    [listed] = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert (listed["Key"], listed["UploadId"]) == ("multi", upload)
    parts = s3.list_parts(**target, UploadId=upload)["Parts"]
    assert [part["PartNumber"] for part in parts] == [1, 2]
    s3.abort_multipart_upload(**target, UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="next", Body=b"1")
    assert 17 * 4 not in {path.stat().st_size for path in (data / "payloads").glob("*/*")}


def test_a_lifecycle_is_kept(store: str, bucket: str) -> None:
    s3 = boto(store)
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "work/"}, "Expiration": {"Days": 3}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [rule]
    s3.delete_bucket_lifecycle(Bucket=bucket)
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)


def test_bytes_stay_bytes_whatever_their_content_type(store: str, bucket: str) -> None:
    s3, body = boto(store), b"key=a&file=b%20c"
    for content_type in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/csv"):
        s3.put_object(Bucket=bucket, Key="k", Body=body, ContentType=content_type, ContentEncoding="gzip")
        got = s3.get_object(Bucket=bucket, Key="k")
        assert (got["Body"].read(), got["ContentType"]) == (body, content_type)


def test_folder_markers_are_not_versioned(store: str, bucket: str) -> None:
    s3 = boto(store)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        assert "VersionId" not in s3.put_object(Bucket=bucket, Key="d/")
    assert [v["VersionId"] for v in s3.list_object_versions(Bucket=bucket)["Versions"]] == ["null"]
    listener = Listener(store, bucket, events=(REMOVED,))
    s3.delete_object(Bucket=bucket, Key="d/")
    record = listener.record()
    listener.close()
    assert (record["eventName"], record["s3"]["object"]["versionId"]) == ("s3:ObjectRemoved:Delete", "null")
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)


# --- concurrency --------------------------------------------------------------------------------------------


def test_conditional_writes_have_one_winner(store: str, bucket: str) -> None:
    s3 = boto(store)

    def put(key: str) -> bool:
        return _wins(lambda: s3.put_object(Bucket=bucket, Key=key, Body=os.urandom(4), IfNoneMatch="*"))

    uploads = [_uploaded_part(s3, bucket) for _ in range(16)]

    def complete(arguments: dict[str, Any]) -> bool:
        return _wins(lambda: s3.complete_multipart_upload(**arguments, IfNoneMatch="*"))

    with ThreadPoolExecutor(16) as pool:
        for number in range(5):
            assert sum(pool.map(put, [f"ledger/{number}"] * 16)) == 1
        assert sum(pool.map(complete, uploads)) == 1


def _wins(write: Callable[[], Any]) -> bool:
    try:
        write()
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        return False
    return True


def _uploaded_part(s3: Any, bucket: str) -> dict[str, Any]:
    target = {"Bucket": bucket, "Key": "multi"}
    upload = s3.create_multipart_upload(**target)["UploadId"]
    etag = s3.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"1")["ETag"]
    parts = [{"PartNumber": 1, "ETag": etag}]
    return target | {"UploadId": upload, "MultipartUpload": {"Parts": parts}}


def test_readers_writers_and_listings_at_once(store: str, bucket: str) -> None:
    """Nothing answers 500 while one key is overwritten, deleted, read and listed."""
    s3 = boto(store)
    end = time.monotonic() + 1.0

    def repeat(action: Callable[[], Any]) -> set[str]:
        codes = set()
        while time.monotonic() < end:
            try:
                action()
            except ClientError as error:
                codes.add(error.response["Error"]["Code"])
        return codes

    actions = (
        lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 10_000),
        lambda: s3.get_object(Bucket=bucket, Key="k")["Body"].read(),
        lambda: s3.delete_object(Bucket=bucket, Key="k"),
        lambda: s3.list_objects_v2(Bucket=bucket),
        lambda: s3.list_object_versions(Bucket=bucket),
        lambda: s3.copy_object(Bucket=bucket, Key="k2", CopySource={"Bucket": bucket, "Key": "k"}),
    )
    with ThreadPoolExecutor(len(actions)) as pool:
        assert set().union(*pool.map(repeat, actions)) <= {"NoSuchKey"}


@pytest.mark.slow
def test_listing_pages_through_thousands(store: str, bucket: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        s3 = boto(store)
        list(pool.map(lambda n: s3.put_object(Bucket=bucket, Key=f"p/{n:05d}"), range(600)))
    started = time.monotonic()
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix="p/", PaginationConfig={"PageSize": 50}
    )
    keys = [o["Key"] for page in pages for o in page["Contents"]]
    assert keys == [f"p/{n:05d}" for n in range(600)]
    assert time.monotonic() - started < 20


# --- restart and SIGKILL ------------------------------------------------------------------------------------


def everything(s3: Any, bucket: str) -> dict[str, Any]:
    """All a client can see of a bucket, except times of answering."""
    listing = s3.list_object_versions(Bucket=bucket)
    versions = [_seen_version(s3, bucket, v) for v in listing.get("Versions", [])]
    return {
        "versions": versions,
        "markers": listing.get("DeleteMarkers"),
        "versioning": s3.get_bucket_versioning(Bucket=bucket).get("Status"),
        "lifecycle": s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"],
        "created": {one["Name"]: one["CreationDate"] for one in s3.list_buckets()["Buckets"]}[bucket],
    }


def _seen_version(s3: Any, bucket: str, version: dict[str, Any]) -> dict[str, Any]:
    target = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
    got = s3.get_object(**target)
    seen = {
        name: got.get(name) for name in ("ETag", "LastModified", "ContentType", "Metadata", "CacheControl")
    }
    tags = s3.get_object_tagging(**target)["TagSet"]
    return version | seen | {"tags": tags, "body": got["Body"].read()}


@pytest.mark.slow
def test_everything_survives_sigkill(tmp_path: Path) -> None:
    with child(tmp_path) as (process, url):
        s3 = boto(url)
        for bucket, status in (("plain", None), ("versioned", "Enabled")):
            s3.create_bucket(Bucket=bucket)
            if status:
                s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
            _fill(s3, bucket)
        s3.create_bucket(Bucket="other")
        before = {bucket: everything(s3, bucket) for bucket in ("plain", "versioned")}
        sequencer = _sequencer(s3, url)
        process.kill()
        process.wait()
    sequencer += 10**15
    _pretend_the_clock_was_ahead(tmp_path, sequencer)
    with child(tmp_path) as (_, url):
        s3 = boto(url)
        assert {bucket: everything(s3, bucket) for bucket in ("plain", "versioned")} == before
        assert _sequencer(s3, url) > sequencer
        s3.delete_objects(
            Bucket="plain", Delete={"Objects": [{"Key": k} for k in ("a", "empty", SPECIAL_KEY)]}
        )
    kept = {entry.stat().st_size for entry in (tmp_path / "payloads").glob("*/*")}
    assert len(list((tmp_path / "payloads").glob("*/*"))) == 1 + 5
    assert {3, 6_000_000} <= kept


def _pretend_the_clock_was_ahead(data: Path, sequencer: int) -> None:
    with sqlite3.connect(data / "catalog.db") as db:
        db.execute("UPDATE versions SET record = json_set(record, '$.sequencer', ?)", [sequencer])
    db.close()


def _fill(s3: Any, bucket: str) -> None:
    s3.put_object(
        Bucket=bucket, Key="a", Body=b"one", ContentType="text/csv", Metadata={"n": "1"}, Tagging="t=1"
    )
    s3.put_object(Bucket=bucket, Key="a", Body=b"two", CacheControl="no-cache")
    s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.put_object(Bucket=bucket, Key="gone", Body=b"1")
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    s3.put_object(Bucket=bucket, Key=SPECIAL_KEY, Body=b"1")
    s3.delete_object(Bucket=bucket, Key="gone")
    s3.put_object(Bucket=bucket, Key="large", Body=b"six" * 2_000_000)
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "work/"}, "Expiration": {"Days": 3}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})


def _sequencer(s3: Any, url: str) -> int:
    listener = Listener(url, "other")
    s3.put_object(Bucket="other", Key="sequencer")
    found = int(listener.record()["s3"]["object"]["sequencer"], 16)
    listener.close()
    return found


@pytest.mark.slow
def test_sigkill_under_load_loses_no_acknowledged_write(tmp_path: Path) -> None:
    acknowledged: dict[str, tuple[str, str]] = {}
    with child(tmp_path) as (process, url):
        s3 = boto(url)
        s3.create_bucket(Bucket="load")
        s3.put_bucket_versioning(Bucket="load", VersioningConfiguration={"Status": "Enabled"})
        with ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(_write_until_killed, s3, worker, acknowledged) for worker in range(4)]
            wait_until(lambda: len(acknowledged) > 100, 20)
            process.kill()
            for writer in writers:
                writer.result()
    with child(tmp_path) as (_, url):
        listing = boto(url).get_paginator("list_object_versions").paginate(Bucket="load")
        versions = {v["Key"]: v for page in listing for v in page["Versions"]}
        assert {k: (versions[k]["VersionId"], versions[k]["ETag"]) for k in acknowledged} == acknowledged
        for key in list(acknowledged)[-8:]:
            assert boto(url).get_object(Bucket="load", Key=key)["Body"].read() == _load_body(key)


def _write_until_killed(s3: Any, worker: int, acknowledged: dict[str, tuple[str, str]]) -> None:
    for number in range(10_000):
        key = f"{worker}/{number}"
        try:
            answer = s3.put_object(Bucket="load", Key=key, Body=_load_body(key))
        except BotoCoreError:
            return
        acknowledged[key] = answer["VersionId"], answer["ETag"]


def _load_body(key: str) -> bytes:
    return key.encode() * 500


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_promptly_with_open_listeners(tmp_path: Path, number: signal.Signals) -> None:
    with child(tmp_path) as (process, url):
        boto(url).create_bucket(Bucket="quiet")
        listener = Listener(url, "quiet", ping=60)
        assert listener.line() == {"Records": None}
        started = time.monotonic()
        process.send_signal(number)
        assert process.wait(5) == 0
        # 0.03 s on an idle machine; the bound leaves room for a busy one.
        assert time.monotonic() - started < 2
        listener.close()
