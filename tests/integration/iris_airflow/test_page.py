"""The page behind Airflow's real login: who sees it, what it shows, what another site cannot do."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iris_airflow import addresses
from iris_core.ledger import Actor, Identity
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import FailedRecord, RejectedRecord
from iris_core.ledger.records.promotion import RollbackRecord, VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from tests.browsing import PROJECT, shown
from tests.integration.iris_airflow.conftest import Login
from tests.records import asking, like

pytestmark = pytest.mark.integration

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"


def routes() -> list[tuple[str, str]]:
    """Every method and path of the page's app, with something in the place of each parameter."""
    from fastapi.routing import APIRoute

    from iris_airflow.views.app import app

    found = []
    for route in app.routes:
        assert isinstance(route, APIRoute), route
        path = re.sub(r"\{project\}", "team_a_iris", route.path)
        path = re.sub(r"\{version\}", "1", re.sub(r"\{[\w:]+\}", "page.css", path))
        found += [(method, f"/iris{path}") for method in sorted(route.methods)]
    return found


class TestWhoMay:
    def test_there_are_routes(self) -> None:
        assert len(routes()) >= 8

    @pytest.mark.parametrize(("method", "path"), routes())
    def test_nobody_gets_anything_without_login(self, login: Login, method: str, path: str) -> None:
        for query in ("", "?target=1&uri=s3://b/k"):
            assert login(None).request(method, f"{path}{query}").status_code in (401, 403)

    def test_a_wrong_token_is_no_login(self, login: Login) -> None:
        client = login(None)
        client.cookies.set("_token", "e30.e30.e30")
        assert client.get(PROJECT).status_code in (401, 403)

    def test_a_user_without_a_role_sees_nothing(self, login: Login) -> None:
        assert login("").get(PROJECT).status_code in (401, 403)

    @pytest.mark.parametrize("name", ["rollback", "approve", "refuse", "retry"])
    def test_a_viewer_cannot_act(self, login: Login, name: str) -> None:
        assert login("viewer").get(f"{PROJECT}/decide/{name}?target=1").status_code == 403
        sent = {"target": "1", "token": "x", "reason": "y"}
        assert login("viewer").post(f"{PROJECT}/decide/{name}", data=sent).status_code == 403

    def test_there_is_no_other_project(self, login: Login) -> None:
        assert login().get("/iris/nobodys").status_code == 404


class TestWhatItShows:
    def test_without_anything_it_says_what_to_upload(self, login: Login, tracked: Workspace) -> None:
        text = shown(login()).text_content()
        assert "Nothing is staged yet." in text
        assert f"mc cp train.csv minio/{tracked.settings.bucket}/iris/iris_train.csv" in text
        assert "iris upload train.csv --as train" in text

    def test_a_category_without_a_value_in_the_training_data(self, login: Login, tracked: Workspace) -> None:
        column = {"column": "size", "severity": "none", "terms": (), "note": "no value to compare with"}
        evidence = {
            "reference": {"size": {"count": 0, "missing": 9, "infinite": 0, "levels": {}}},
            "current": {"size": {"count": 0, "missing": 5, "infinite": 0, "levels": {}}},
            "evidence": (column,),
        }
        tracked.ledger.commit(like(BatchDriftRecord, outcome="none", evidence=evidence))
        text = " ".join(shown(login()).text_content().split())
        assert "size none missing 5 of 5. no value to compare with" in text

    def test_html_is_text_everywhere(self, login: Login, tracked: Workspace) -> None:
        now, by = datetime.now(UTC), Actor(owner=HOSTILE, dag_id=HOSTILE, run_id=HOSTILE)
        tracked.ledger.commit(like(RejectedRecord, reason=HOSTILE, by=by))
        tracked.ledger.commit(like(FailedRecord, reason=HOSTILE, by=by))
        tracked.ledger.commit(asking(reason=HOSTILE, by=by))
        rolled_back = like(RollbackRecord, reason=HOSTILE, by=by)
        tracked.ledger.commit(rolled_back)
        sample = like(ScoredRecord)
        version = sample.about.model_copy(update={"key": f"iris/{HOSTILE}.csv"})
        scored = like(
            ScoredRecord,
            identity=Identity.of_object("scoring", version, sample.model.variant),
            at=now,
            by=by,
            inputs={"object": version},
            evidence={
                "classes": {HOSTILE: 3, "setosa": 2},
                "rows": 5,
                "rejected": 1,
                "faults": ({"check": "missing", "column": HOSTILE, "count": 1},),
            },
        )
        tracked.ledger.commit(scored)
        drift = like(BatchDriftRecord, outcome="none")
        assert isinstance(drift.evidence, BatchDriftRecord.Evidence)
        column = drift.evidence.evidence[0]["column"]
        renamed = {
            "reference": {HOSTILE: drift.evidence.reference[column]},
            "current": {HOSTILE: drift.evidence.current[column]},
            "evidence": ({**drift.evidence.evidence[0], "column": HOSTILE, "note": HOSTILE},),
        }
        tracked.ledger.commit(
            like(
                BatchDriftRecord,
                outcome="none",
                reason=HOSTILE,
                by=by,
                identity=Identity.of_drift(scored.identity, scored.at),
                evidence=renamed,
            )
        )
        client = login("user", HOSTILE)
        pages = [
            PROJECT,
            f"{PROJECT}/records/{scored.identity.path}",
            f"{PROJECT}/records/{rolled_back.identity.path}",
            f"{PROJECT}/decide/retry?target=s3://b/{HOSTILE}",
        ]
        for path in pages:
            page = shown(client, path)
            assert HOSTILE in page.text_content(), path
            assert [one.get("src") for one in page.iter("script")] == ["/iris/-/page.js"]
            assert not list(page.iter("img"))
            assert not [name for one in page.iter() for name in one.attrib if name.startswith("on")]
            assert not [one for one in page.iter() if "style" in one.attrib or one.tag == "style"]

    def test_every_number_leads_to_a_record_that_is_there(self, login: Login, tracked: Workspace) -> None:
        for record in (like(ScoredRecord), like(FailedRecord), asking()):
            tracked.ledger.commit(record)
        client = login()
        links = {one.get("href") for one in shown(client).iter("a") if "/records/" in (one.get("href") or "")}
        assert len(links) == 3
        for link in links:
            assert client.get(f"{link}?format=json").json()["commit_id"]

    def test_charts_have_names_for_a_screen_reader(self, login: Login, tracked: Workspace) -> None:
        tracked.ledger.commit(like(ScoredRecord))
        tracked.ledger.commit(like(BatchDriftRecord, outcome="none"))
        page = shown(login())
        charts = page.findall(".//svg")
        assert len(charts) >= 6
        for chart in charts:
            assert chart.get("role") == "img"
            for name in chart.get("aria-labelledby").split():
                [told] = chart.xpath(f".//*[@id='{name}']")
                assert told.text
        assert not page.xpath("//svg//script | //svg//style")

    def test_headings_follow_each_other_and_ids_are_unique(self, login: Login, tracked: Workspace) -> None:
        for record in (like(ScoredRecord), like(BatchDriftRecord, outcome="none"), like(FailedRecord)):
            tracked.ledger.commit(record)
        page = shown(login("user"))
        ids = page.xpath("//@id")
        assert len(ids) == len(set(ids))
        levels = [int(one.tag[1]) for one in page.xpath("//h1|//h2|//h3")]
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))

    def test_json_is_the_overview(self, login: Login, tracked: Workspace) -> None:
        assert login().get(f"{PROJECT}/data").json()["team"] == tracked.settings.team

    def test_the_headers_keep_others_out(self, login: Login) -> None:
        for path in (PROJECT, f"{PROJECT}/data", "/iris/-/page.js"):
            headers = login().get(path).headers
            assert "script-src 'self'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"

    def test_a_store_that_does_not_answer_is_told_of(
        self, login: Login, tracked: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAM_S3_BUCKET", "nobodys-bucket")
        from iris_airflow.views import visits

        visits.forget()
        answer = login().get(PROJECT)
        assert answer.status_code in (404, 503)
        assert "nobodys-bucket" in answer.text


class TestWhereLinksLead:
    """Links beside tasks and in DAGs are made by `addresses`; the page must serve what they name."""

    def test_to_the_page_and_a_record(self, login: Login, tracked: Workspace) -> None:
        record = like(ScoredRecord)
        tracked.ledger.commit(record)
        page, path = addresses.page_of("team_a_iris"), record.identity.path
        assert login().get(page).status_code == 200
        assert path in login().get(addresses.record_of("team_a_iris", path)).text

    def test_to_an_object(self, login: Login, tracked: Workspace) -> None:
        settings = tracked.settings
        key = f"{settings.predictions_prefix}/a b&c=d?.csv"
        stored = tracked.store.put(settings.predictions_bucket, key, b"a\n1\n", "text/csv")
        assert login().get(addresses.object_of("team_a_iris", stored.uri)).content == b"a\n1\n"

    def test_to_the_card_of_a_version(self, login: Login, tracked: Workspace) -> None:
        trained = like(TrainedRecord)
        verdict = like(
            VerdictRecord,
            outcome="promoted",
            identity=Identity.of_verdict(trained.run_id, trained.at),
            inputs={"run_id": trained.run_id, "training": trained.identity.path},
            reason=HOSTILE,
        )
        for record in (trained, verdict):
            tracked.ledger.commit(record)
        tracked.ledger.note_version(verdict.model.version, trained.identity)
        page = shown(login(), addresses.version_of("team_a_iris", verdict.model.version))
        assert page.xpath("//article//h2[.='Data and training']")
        assert HOSTILE in page.text_content()
        assert len(page.xpath("//h1")) == 1
        assert not page.xpath("//img")


class TestObjects:
    def test_html_runs_in_a_sandbox(self, login: Login, tracked: Workspace) -> None:
        settings = tracked.settings
        key = f"{settings.drift_prefix}/1/report.html"
        stored = tracked.store.put(settings.drift_bucket, key, b"<script>1</script>", "text/html")
        answer = login().get(f"{PROJECT}/object", params={"uri": stored.uri})
        assert answer.content == b"<script>1</script>"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("sandbox allow-scripts;")
        assert "allow-same-origin" not in policy
        assert "default-src 'none'" in policy

    def test_a_table_is_downloaded(self, login: Login, tracked: Workspace) -> None:
        settings = tracked.settings
        key = f"{settings.predictions_prefix}/a.csv"
        stored = tracked.store.put(settings.predictions_bucket, key, b"a\n1\n", "text/html")
        answer = login().get(f"{PROJECT}/object", params={"uri": stored.uri})
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")

    @pytest.mark.parametrize("key", ["ledger/dev/x", "iris/iris_train.csv", "profiles/dev/x", "other"])
    def test_nothing_else_is_served(self, login: Login, tracked: Workspace, key: str) -> None:
        stored = tracked.store.put(tracked.settings.bucket, key, b"secret", "text/plain")
        answer = login().get(f"{PROJECT}/object", params={"uri": stored.uri})
        assert answer.status_code == 404
        assert "secret" not in answer.text

    @pytest.mark.parametrize("key", ["iris/drift/../secret", "iris/drift/", "iris/drift"])
    def test_odd_keys_lead_nowhere(self, login: Login, tracked: Workspace, key: str) -> None:
        uri = f"s3://{tracked.settings.bucket}/{key}"
        assert login().get(f"{PROJECT}/object", params={"uri": uri}).status_code in (404, 409)


def test_only_who_asks_for_the_page_imports_it(tmp_path: Path) -> None:
    """Every component of Airflow loads the plugin, and DAG files are parsed in a process that has it.

    The API server, which has the page, needs no libraries for tables: they would take 90 MB.
    """
    code = """
import sys
from iris_airflow.plugin import IrisPlugin
plugin = IrisPlugin()
heavy = ("pygal", "lxml", "iris_airflow.views", "iris_core.overview", "polars", "mlflow")
print("LOADED", [name for name in heavy if name in sys.modules])
assert plugin.fastapi_apps[0]["app"]
tables = ("polars", "pyarrow", "numpy", "scipy", "pandas", "sklearn", "mlflow")
print("ASKED", [name for name in ("pygal", "iris_airflow.views", *tables) if name in sys.modules])
print("NO FINDERS", [finder for finder in sys.meta_path if not hasattr(finder, "find_spec")])
"""
    environ = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert "LOADED []" in ran.stdout
    assert "ASKED ['pygal', 'iris_airflow.views']" in ran.stdout
    assert "NO FINDERS []" in ran.stdout
