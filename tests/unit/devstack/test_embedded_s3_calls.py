"""What requests mean, and whose they are."""

from __future__ import annotations

import pytest

from devstack.embedded_s3.access import presented_key
from devstack.embedded_s3.calls import bulk_delete_targets, object_event, parse_call

pytestmark = pytest.mark.unit

CREATED, READ = "s3:ObjectCreated:", "s3:ObjectAccessed:"


@pytest.mark.parametrize(
    ("method", "uri", "event"),
    [
        ("PUT", "/b/k", CREATED + "Put"),
        ("PUT", "/b/k?X-Amz-Signature=1", CREATED + "Put"),
        ("PUT", "/b/k?tagging", CREATED + "PutTagging"),
        ("PUT", "/b/k?legal-hold", CREATED + "PutLegalHold"),
        ("PUT", "/b/k?retention", CREATED + "PutRetention"),
        ("PUT", "/b/k?acl", None),
        ("PUT", "/b/k?uploadId=1&partNumber=2", None),
        ("POST", "/b/k?uploads", None),
        ("POST", "/b/k?uploadId=1", CREATED + "CompleteMultipartUpload"),
        ("POST", "/b", CREATED + "Post"),
        ("POST", "/b?delete", None),
        ("DELETE", "/b/k?tagging", CREATED + "DeleteTagging"),
        ("DELETE", "/b/k", None),
        ("GET", "/b/k?versionId=1", READ + "Get"),
        ("GET", "/b/k?tagging", None),
        ("GET", "/b/k?attributes", READ + "Attributes"),
        ("HEAD", "/b/k", READ + "Head"),
        ("GET", "/b?list-type=2", None),
        ("PUT", "/b", None),
    ],
)
def test_object_event(method: str, uri: str, event: str | None) -> None:
    assert object_event(parse_call(method, uri)) == event


def test_copy() -> None:
    call = parse_call("PUT", "/b/k", "/src/a%20b/%C3%BC?versionId=1")
    assert object_event(call) == CREATED + "Copy"
    assert call.copy_source == ("src", "a b/ü")


def test_keys_are_unescaped_once() -> None:
    call = parse_call("GET", "/b/iris/a%20b+c%25d/%C3%BC?events=s3:ObjectCreated:*")
    assert (call.bucket, call.key) == ("b", "iris/a b+c%d/ü")
    assert not call.is_listen
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
    ("authorization", "query", "form", "key"),
    [
        (
            "AWS4-HMAC-SHA256 Credential=iris/20260101/us-east-1/s3/aws4_request, SignedHeaders=host",
            "",
            {},
            "iris",
        ),
        ("AWS iris:signature", "", {}, "iris"),
        ("", "X-Amz-Credential=iris%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", {}, "iris"),
        ("", "AWSAccessKeyId=iris&Signature=x", {}, "iris"),
        ("", "", {"X-Amz-Credential": "iris/20260101"}, "iris"),
        ("", "", {"AWSAccessKeyId": "iris"}, "iris"),
        ("Bearer iris", "", {}, None),
        ("", "prefix=iris", {"key": "iris"}, None),
    ],
)
def test_presented_key(authorization: str, query: str, form: dict[str, str], key: str | None) -> None:
    assert presented_key(parse_call("GET", f"/b/k?{query}"), authorization, form) == key
