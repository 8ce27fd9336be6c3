"""Links and events: addresses of the page, and what an event says for people."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from iris_airflow import addresses, links
from iris_airflow.facts import LONGEST_TEXT, facts_of

pytestmark = pytest.mark.unit

URI = "s3://a-bucket/in/a b&c=d?.csv?versionId=1f&x"


class TestAddresses:
    @pytest.mark.parametrize("base_url", ["", "https://airflow.example.org", "https://example.org/air/flow/"])
    def test_they_are_below_airflows_own(self, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
        assert addresses.page_of("team_a_iris") == f"{base_url.rstrip('/')}/iris/team_a_iris"

    def test_whatever_a_key_holds_comes_back(self) -> None:
        url = urlsplit(addresses.object_of("team_a_iris", URI))
        assert (url.path, parse_qs(url.query)) == ("/iris/team_a_iris/object", {"uri": [URI]})

    def test_the_path_of_a_record_stays_readable(self) -> None:
        path = "scoring/2026-11-01/0f/v1-2a+1"
        url = urlsplit(addresses.record_of("team_a_iris", path))
        assert unquote(url.path) == f"/iris/team_a_iris/records/{path}"
        assert url.path.count("/") == path.count("/") + 4

    def test_a_project_cannot_lead_elsewhere(self) -> None:
        assert addresses.version_of("../a?b", "1/2#") == "/iris/..%2Fa%3Fb/versions/1%2F2%23"


def test_each_link_has_a_name_and_a_key_of_its_own() -> None:
    known = [*links.REGISTERED, *links.PUBLISHED, *links.REPORTED]
    assert len({link.name for link in known}) == len({link.xcom_key for link in known}) == 6


def drifted(severity: str, **more: Any) -> dict[str, Any]:
    return {"verdict": f"drift/{severity}", "severity": severity, "sentence": f"it is {severity}", **more}


class TestFacts:
    def test_of_one_thing_all(self) -> None:
        one = {"scoring": "scoring/1", "rows": 30, "rejected": 0, "accuracy": None, "alert": True, "deep": {}}
        assert facts_of([one]) == {"scoring": "scoring/1", "rows": 30, "rejected": 0, "alert": True}

    def test_of_several_the_sums(self) -> None:
        made = [{"scoring": f"scoring/{n}", "rows": 30, "rejected": n, "model_version": 7} for n in range(3)]
        assert facts_of(made) == {"made": 3, "rows": 90, "rejected": 3, "model_version": 7}

    def test_of_several_the_worst(self) -> None:
        made = [drifted("low"), drifted("high"), drifted("insufficient")]
        assert facts_of(made) == {"made": 3, "severity": "high", "sentence": "it is high"}

    def test_none(self) -> None:
        assert facts_of([]) == {}

    def test_they_are_bounded(self) -> None:
        made = [drifted("high", reason="x" * 100_000) for _ in range(1000)]
        assert len(json.dumps(facts_of(made))) < 1000
        assert len(facts_of(made[:1])["reason"]) == LONGEST_TEXT
