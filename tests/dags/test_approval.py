"""The training DAG where a human must answer: no run waits, and every upload is asked about."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iris_core import models, promotion, training
from iris_core.errors import ApprovalAwaited, NothingOwed, PromotionRefused
from iris_core.ledger import Outcome
from iris_core.ledger.records.gate import Approval
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.requests import open_requests
from iris_core.ledger.workspace import Workspace
from tests.dags.conftest import RunDag
from tests.receiving import receiver
from tests.registry import train_one

pytestmark = [pytest.mark.dags, pytest.mark.slow, pytest.mark.timeout(600)]

UNANSWERED = 20


def yes() -> Approval:
    return Approval(approved=True, by="jane", reason="it looks right")


def test_after_twenty_unanswered_requests_the_next_upload_is_trained_and_asked_about(
    mlflow_db: object,
    make_workspace: Callable[..., Workspace],
    iris_rows: tuple[list[str], list[str]],
    as_csv: Callable[[list[str]], bytes],
    run_dag: RunDag,
) -> None:
    workspace = make_workspace(PROMOTION_APPROVAL="manual")
    settings = workspace.settings
    for number in range(UNANSWERED):
        record = train_one(workspace, as_csv(iris_rows[0][: 119 - number]))
        with pytest.raises(ApprovalAwaited):
            promotion.register_step(workspace, record.identity)
    workspace.store.put(settings.bucket, settings.train_key, as_csv(iris_rows[0]), "text/csv")
    with receiver() as (url, got):
        manual = {"PROMOTION_APPROVAL": "manual", "DRIFT_ALERT_WEBHOOK": url}
        [ran] = run_dag(workspace, settings.names.training_dag, **manual)
    assert ran["state"] == "success"
    assert (ran["tasks"]["train"], ran["tasks"]["register"]) == (["success"], ["skipped"])
    assert ran["events"] == []
    newest = UNANSWERED + 1
    asked = next(open_requests(workspace.ledger))
    assert ran["links"]["register"] == {
        "Model version": f"/iris/team_a_iris/versions/{newest}",
        "Evidence": f"/iris/team_a_iris/records/{asked.identity.path}",
    }
    assert f"iris approve {newest} --reason".encode() in got[-1]
    assert [request.inputs.version for request in open_requests(workspace.ledger)] == [newest]
    replaced = list(workspace.ledger.recent_of(VerdictRecord, outcome=Outcome.SUPERSEDED))
    assert len(replaced) == UNANSWERED
    with pytest.raises(PromotionRefused, match=rf"Version {newest} waits for one"):
        promotion.answer(workspace, 1, yes())
    promotion.answer(workspace, newest, yes())
    staged = models.staged(settings)
    assert staged is not None
    assert staged.version == newest
    with pytest.raises(NothingOwed):
        training.reconcile_training(workspace)
