"""What requests mean, whose they are, and which are refused."""

from __future__ import annotations

import pytest

from devstack.embedded_s3.calls import bulk_delete_targets, error_answer, parse_call, refusal

pytestmark = pytest.mark.unit

CREATED, READ = "s3:ObjectCreated:", "s3:ObjectAccessed:"
SIGNED = "AWS4-HMAC-SHA256 Credential=iris/20260101/us-east-1/s3/aws4_request, SignedHeaders=host"


@pytest.mark.parametrize(
    ("method", "uri", "event"),
    [
        ("PUT", "/b/k", CREATED + "Put"),
        ("PUT", "/b/k?X-Amz-Signature=1", CREATED + "Put"),
        ("PUT", "/b/k?tagging", CREATED + "PutTagging"),
        ("PUT", "/b/k?uploadId=1&partNumber=2", None),
        ("POST", "/b/k?uploads", None),
        ("POST", "/b/k?uploadId=1", CREATED + "CompleteMultipartUpload"),
        ("POST", "/b?delete", None),
        ("DELETE", "/b/k?tagging", CREATED + "DeleteTagging"),
        ("DELETE", "/b/k", None),
        ("GET", "/b/k?versionId=1", READ + "Get"),
        ("GET", "/b/k?tagging", None),
        ("HEAD", "/b/k", READ + "Head"),
        ("GET", "/b?list-type=2", None),
        ("PUT", "/b", None),
    ],
)
def test_the_event_of_a_call(method: str, uri: str, event: str | None) -> None:
    assert parse_call(method, uri).event == event


def test_a_copy_is_told_by_its_source() -> None:
    headers = {"x-amz-copy-source": "/src/k"}
    assert parse_call("PUT", "/b/k", headers).event == CREATED + "Copy"
    assert parse_call("PUT", "/b/k?tagging", headers).event == CREATED + "PutTagging"
    assert parse_call("PUT", "/b/k?uploadId=1&partNumber=1").is_part_upload
    assert not parse_call("PUT", "/b/k?uploadId=1&partNumber=1", headers).is_part_upload


def test_keys_are_unescaped_once() -> None:
    call = parse_call("GET", "/b/iris/a%20b+c%25d/%C3%BC?versionId=a%2Bb")
    assert (call.bucket, call.key, call.first("versionId")) == ("b", "iris/a b+c%d/ü", "a+b")
    assert parse_call("GET", "/b/?events=a&events=b").query["events"] == ["a", "b"]
    assert parse_call("GET", "/b/?events=a").is_listen


def test_bulk_delete_targets() -> None:
    body = (
        b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a &amp; b</Key></Object>'
        b"<Object><Key>c</Key><VersionId>v</VersionId></Object><Quiet>true</Quiet></Delete>"
    )
    assert bulk_delete_targets(body) == [("a & b", None), ("c", "v")]
    assert bulk_delete_targets(b"no xml") == []


@pytest.mark.parametrize(
    ("authorization", "query", "code"),
    [
        (SIGNED, "", None),
        ("", "X-Amz-Credential=iris%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", None),
        (SIGNED.replace("iris", "someone"), "", "InvalidAccessKeyId"),
        ("", "X-Amz-Credential=someone%2F20260101", "InvalidAccessKeyId"),
        ("", "", "AccessDenied"),
        ("Bearer iris", "", "AccessDenied"),
        ("", "prefix=iris", "AccessDenied"),
        ("AWS iris:signature", "", "NotImplemented"),
        ("", "AWSAccessKeyId=iris&Signature=x&Expires=1", "NotImplemented"),
    ],
)
def test_who_is_let_in(authorization: str, query: str, code: str | None) -> None:
    call = parse_call("GET", f"/b/k?{query}", {"authorization": authorization})
    assert refusal(call, frozenset({"iris", "other"})) == code


@pytest.mark.parametrize(
    ("method", "uri", "headers"),
    [
        ("POST", "/b", {"content-type": "multipart/form-data; boundary=x"}),
        ("PUT", "/b/k?acl", {}),
        ("PUT", "/b/k?legal-hold", {}),
        ("GET", "/b/k?retention", {}),
        ("POST", "/b/k?select&select-type=2", {}),
        ("POST", "/b/k?restore", {}),
        ("GET", "/b/k?attributes", {}),
        ("GET", "/b?replication", {}),
        ("PUT", "/b?policy", {}),
        ("GET", "/b?a-new-thing", {}),
        ("PUT", "/b?versioning&lifecycle", {}),
        ("OPTIONS", "/b/k", {}),
        ("PUT", "/", {}),
        ("PUT", "/b/k", {"x-amz-object-lock-mode": "GOVERNANCE"}),
        ("PUT", "/b", {"x-amz-bucket-object-lock-enabled": "true"}),
        ("PUT", "/b/k", {"x-amz-server-side-encryption": "AES256"}),
        ("PUT", "/minio/admin/v3/add-user?accessKey=x", {}),
    ],
)
def test_the_rest_is_not_implemented(method: str, uri: str, headers: dict[str, str]) -> None:
    call = parse_call(method, uri, {"authorization": SIGNED, **headers})
    assert refusal(call, frozenset({"iris"})) == "NotImplemented"


def test_an_error_names_its_resource() -> None:
    status, _, body = error_answer("NotImplemented", parse_call("GET", "/b/<k>"))
    assert status == 501
    body = bytes(body)
    assert b"<Code>NotImplemented</Code>" in body
    assert b"<Resource>/b/&lt;k&gt;</Resource>" in body
