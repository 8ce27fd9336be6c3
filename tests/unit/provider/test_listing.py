"""What answers instead of a store is named, and ends no watcher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from iris_provider_minio.errors import StoreUnusable
from iris_provider_minio.listing import answering

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (lambda: ElementTree.fromstring("<html><br></html>"), "Listing s3://b/: ParseError: mismatched tag"),
        (lambda: ElementTree.fromstring(""), "Listing s3://b/: ParseError: no element found"),
        (lambda: b"\xff".decode(), "Listing s3://b/: UnicodeDecodeError: 'utf-8' codec"),
    ],
)
def test_an_answer_that_is_not_the_stores(read: Callable[[], Any], told: str) -> None:
    with pytest.raises(StoreUnusable, match=told), answering("Listing s3://b/"):
        read()
