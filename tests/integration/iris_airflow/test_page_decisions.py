"""Decisions on the page: recorded with name and reason, and not for another site to take."""

from __future__ import annotations

from typing import Any

import pytest

from iris_core import models, promotion, training
from iris_core.ledger import Identity
from iris_core.ledger.records.objects import FailedRecord, ReopenedRecord
from iris_core.ledger.records.promotion import RollbackRecord
from iris_core.ledger.workspace import Workspace
from tests.browsing import PROJECT, form, shown
from tests.integration.iris_airflow.conftest import Login
from tests.records import expect, like

pytestmark = pytest.mark.integration


class TestDecisions:
    @pytest.fixture
    def failed(self, tracked: Workspace) -> FailedRecord:
        settings = tracked.settings
        landed = tracked.store.put(settings.bucket, settings.train_key, b"a\n1\n", "text/csv")
        sample = like(FailedRecord)
        identity = Identity.of_object("training", landed, sample.variant.base)
        record = like(FailedRecord, identity=identity, inputs={"object": landed})
        tracked.ledger.commit(record)
        return record

    def test_a_retry_is_recorded_with_name_and_reason(
        self, login: Login, tracked: Workspace, failed: FailedRecord
    ) -> None:
        client = login("user", "maria")
        page = shown(client)
        [link] = page.xpath("//section[@id='refused']//a[contains(@class, 'button')]/@href")
        fields = form(client, link)
        assert fields["target"] == failed.about.uri
        answer = client.post(link.partition("?")[0], data={**fields, "reason": "workers have 8 GB now"})
        assert answer.status_code == 303
        [reopened] = [one for one in tracked.ledger.recent() if isinstance(one, ReopenedRecord)]
        assert (reopened.by.owner, reopened.reason) == ("maria", "workers have 8 GB now")
        page = shown(client, answer.headers["location"])
        assert f"{reopened.kind.capitalize()}: reopened." in page.text_content()

    def test_a_reason_is_required(self, login: Login, tracked: Workspace, failed: FailedRecord) -> None:
        client = login("user")
        fields = form(client, f"{PROJECT}/decide/retry?target={failed.about.uri}")
        answer = client.post(f"{PROJECT}/decide/retry", data={**fields, "reason": "  "})
        assert answer.status_code == 422
        assert not [one for one in tracked.ledger.recent() if isinstance(one, ReopenedRecord)]

    def test_another_site_cannot_send_it(
        self, login: Login, tracked: Workspace, failed: FailedRecord
    ) -> None:
        client, path = login("user", "maria"), f"{PROJECT}/decide/retry"
        fields = {**form(client, f"{path}?target={failed.about.uri}"), "reason": "x"}
        others = form(login("user", "eve"), f"{path}?target={failed.about.uri}")
        refused: list[tuple[dict[str, str], dict[str, str]]] = [
            ({**fields, "token": "none"}, {}),
            ({**fields, "token": others["token"]}, {}),
            ({**fields, "target": "s3://b/another"}, {}),
            (fields, {"Origin": "https://evil.test"}),
            (fields, {"Origin": "null"}),
            (fields, {"Sec-Fetch-Site": "cross-site"}),
            (fields, {"Sec-Fetch-Site": "same-site"}),
        ]
        for sent, headers in refused:
            assert client.post(path, data=sent, headers=headers).status_code == 403, (sent, headers)
        assert client.post(f"{PROJECT}/decide/rollback", data=fields).status_code == 403
        assert not [one for one in tracked.ledger.recent() if isinstance(one, ReopenedRecord)]
        own = {"Origin": "http://airflow.test", "Sec-Fetch-Site": "same-origin"}
        assert client.post(path, data=fields, headers=own).status_code == 303

    def test_what_the_core_refuses_is_told(self, login: Login, tracked: Workspace) -> None:
        nothing = f"s3://{tracked.settings.bucket}/nothing"
        client = login("user")
        fields = form(client, f"{PROJECT}/decide/retry?target={nothing}")
        answer = client.post(f"{PROJECT}/decide/retry", data={**fields, "reason": "x"})
        assert answer.status_code == 409
        assert f"Nothing of {nothing} is recorded as failed" in answer.text

    def test_an_old_form_is_refused(
        self, login: Login, failed: FailedRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from iris_airflow.views import forms

        client = login("user")
        fields = form(client, f"{PROJECT}/decide/retry?target={failed.about.uri}")
        monkeypatch.setattr(forms, "VALID_S", -1)
        sent = client.post(f"{PROJECT}/decide/retry", data={**fields, "reason": "x"})
        assert sent.status_code == 403

    def test_a_rollback_stages_the_version_before(
        self, login: Login, tracked: Workspace, iris_rows: Any, as_csv: Any
    ) -> None:
        for rows in (120, 110):
            data = as_csv(iris_rows[0][:rows])
            tracked.store.put(tracked.settings.bucket, tracked.settings.train_key, data, "text/csv")
            work = training.train(tracked, training.reconcile_training(tracked))
            promotion.register_step(tracked, work.identity)
        client = login("user", "maria")
        [link] = shown(client).xpath("//section[@id='model']//a[contains(@href, 'rollback')]/@href")
        answer = client.post(
            link.partition("?")[0], data={**form(client, link), "reason": "2 confuses two species"}
        )
        assert answer.status_code == 303, answer.text
        staged = models.staged(tracked.settings)
        assert staged is not None
        assert staged.version == 1
        record = expect(RollbackRecord, next(tracked.ledger.recent("promotion")))
        assert (record.by.owner, record.reason) == ("maria", "2 confuses two species")
        assert "rolled back" in shown(client, answer.headers["location"]).text_content()
