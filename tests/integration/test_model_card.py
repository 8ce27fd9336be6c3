"""Model cards: every number is that of the data, the same bytes again, and what they met since."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from scipy.optimize import brentq
from scipy.stats import binomtest, norm
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_score, recall_score
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from iris_core import monitoring, promotion
from iris_core.cli import app
from iris_core.errors import PromotionRefused
from iris_core.history.cards import current_card
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models.registry import APPLIED_TAG
from iris_core.promotion.judgement import CARD_FILES
from tests.loop import score_owed
from tests.registry import client, train_one

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Rows = tuple[list[str], list[str]]
AsCsv = Callable[[list[str]], bytes]
FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
CLASSES = ["setosa", "versicolor", "virginica"]


def stored(workspace: Workspace, run_id: str, folder: Path) -> list[bytes]:
    """The card's files on its run: JSON and HTML."""
    folder.mkdir(exist_ok=True)
    found = (client(workspace).download_artifacts(run_id, file, str(folder)) for file in CARD_FILES)
    return [Path(path).read_bytes() for path in found]


def numbers(content: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number in JSON, by its path."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from numbers(value, f"{path}/{name}")
    elif isinstance(content, list):
        for place, value in enumerate(content):
            name = value["name"] if isinstance(value, dict) else place
            yield from numbers(value, f"{path}/{name}")
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield path, content


class Again:
    """A model that is trained again from the uploaded bytes, with nothing of Iris."""

    def __init__(self, data: bytes) -> None:
        table = pd.read_csv(io.BytesIO(data))
        self.learned, self.held, self.labels, self.truth = train_test_split(
            table[FEATURES], table["species"], test_size=0.2, random_state=42, stratify=table["species"]
        )
        self.recipe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=42))
        self.model = self.recipe.fit(self.learned, self.labels)


def share(right: int, rows: int, at: str) -> dict[str, float]:
    between = binomtest(right, rows).proportion_ci(0.95, method="wilson")
    return {
        f"{at}/value": right / rows,
        f"{at}/interval/low": between.low,
        f"{at}/interval/high": between.high,
        f"{at}/interval/level": 0.95,
    }


def paired(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> tuple[float, float, float]:
    """Difference of two paired shares, and Tango's interval, by the roots of its equation."""
    rows, more, less = len(first), int((first & ~second).sum()), int((second & ~first).sum())

    def statistic(delta: float) -> float:
        b = -more - less + (2 * rows - more + less) * delta
        losing = (np.sqrt(b * b + 8 * rows * less * delta * (1 - delta)) - b) / (4 * rows)
        return float((more - less - rows * delta) / np.sqrt(rows * (2 * losing + delta * (1 - delta))))

    z, found = norm.ppf(0.975), (more - less) / rows
    low = brentq(lambda delta: statistic(delta) - z, -0.9999, found - 1e-9)
    high = brentq(lambda delta: statistic(delta) + z, found + 1e-9, 0.9999)
    return found, low, high


def expected(data: bytes, champion: bytes) -> dict[str, float]:
    """Every number of the second version's card."""
    again, first = Again(data), Again(champion)
    named, truth = again.model.predict(again.held), again.truth.to_numpy()
    right = int((named == truth).sum())
    known = {tuple(row) for row in first.learned.to_numpy()}
    unseen = np.array([tuple(row) not in known for row in again.held.to_numpy()])
    rows = unseen if unseen.sum() >= 15 else np.ones(len(unseen), bool)
    gain, low, high = paired((named == truth)[rows], (first.model.predict(again.held) == truth)[rows])
    folds = StratifiedKFold(5, shuffle=True, random_state=42)
    apart = cross_val_score(again.recipe, again.learned, again.labels, cv=folds, scoring="accuracy")
    shuffled = permutation_importance(
        again.model, again.held, again.truth, scoring="accuracy", n_repeats=5, random_state=42
    )
    majority = again.labels.value_counts().sort_index().idxmax()
    counts: dict[str, float] = {
        "/version": 2,
        "/data/rows": len(again.learned) + len(again.held),
        "/data/learned_rows": len(again.learned),
        "/data/holdout_rows": len(again.held),
        "/metric/threshold": 0.1,
        "/metric/majority_accuracy": float((truth == majority).mean()),
        "/metric/cross_validated_accuracy": float(np.average(apart, weights=folded(folds, again))),
        "/metric/versus": 1,
        "/metric/gain/value": gain,
        "/metric/gain/interval/low": low,
        "/metric/gain/interval/high": high,
        "/metric/gain/interval/level": 0.95,
        "/importance/rows": len(again.held),
        "/importance/repeats": 5,
        "/importance/left_out": 0,
        **share(right, len(truth), "/metric/score"),
        **share(right, len(truth), "/metric/accuracy"),
    }
    for name, mean, std in zip(FEATURES, shuffled.importances_mean, shuffled.importances_std, strict=True):
        counts |= {f"/importance/features/{name}/mean": mean, f"/importance/features/{name}/std": std}
    for name in CLASSES:
        of, answered = int((truth == name).sum()), int((named == name).sum())
        at, hit = f"/classes/{name}", int(((truth == name) & (named == name)).sum())
        counts |= {f"{at}/learned_rows": int((again.labels == name).sum()), f"{at}/holdout_rows": of}
        counts |= share(hit, of, f"{at}/recall") | share(hit, answered, f"{at}/precision")
        only = {"labels": [name], "average": None, "zero_division": 0.0}
        assert hit / of == pytest.approx(recall_score(truth, named, **only)[0])
        assert hit / answered == pytest.approx(precision_score(truth, named, **only)[0])
    return counts


def folded(folds: StratifiedKFold, again: Again) -> list[int]:
    return [len(left_out) for _, left_out in folds.split(again.learned, again.labels)]


@pytest.fixture
def promoted(tracked: Workspace, iris_rows: Rows, as_csv: AsCsv) -> tuple[Workspace, TrainedRecord]:
    """Two versions, the second one compared with the first."""
    promotion.promote(tracked, train_one(tracked, as_csv(iris_rows[0][:90])))
    second = train_one(tracked, as_csv(iris_rows[0]))
    promotion.promote(tracked, second)
    return tracked, second


def test_every_number_is_that_of_the_data(
    promoted: tuple[Workspace, TrainedRecord], iris_rows: Rows, as_csv: AsCsv, tmp_path: Path
) -> None:
    workspace, second = promoted
    as_json, as_html = stored(workspace, second.run_id, tmp_path / "stored")
    card = json.loads(as_json)
    found = dict(numbers(card))
    assert found == pytest.approx(expected(as_csv(iris_rows[0]), as_csv(iris_rows[0][:90])), abs=1e-8)
    assert card["metric"]["name"] == "accuracy"
    assert card["data"]["object"] == second.about.uri
    assert [one["name"] for one in card["data"]["columns"]] == FEATURES
    means = [one["mean"] for one in card["importance"]["features"]]
    assert means == sorted(means, reverse=True)
    page = unescape(as_html.decode())
    for name in CLASSES:
        recall = found[f"/classes/{name}/recall/value"]
        low, high = (found[f"/classes/{name}/recall/interval/{end}"] for end in ("low", "high"))
        assert f"<td>{recall:.1%}</td><td>{low:.1%} to {high:.1%} (95%)</td>" in page
        assert (
            f"Class {name!r} has 8 rows in the holdout: its recall is known to lie between {low:.0%}" in page
        )


def test_a_repeated_promotion_writes_the_same_bytes(
    promoted: tuple[Workspace, TrainedRecord], tmp_path: Path
) -> None:
    workspace, second = promoted
    before = stored(workspace, second.run_id, tmp_path / "before")
    name = workspace.settings.names.model
    for file in CARD_FILES:
        client(workspace).log_text(second.run_id, "spoilt", file)
    client(workspace).delete_model_version_tag(name, "2", APPLIED_TAG)
    promotion.promote(workspace, second)
    assert stored(workspace, second.run_id, tmp_path / "after") == before


def test_a_verdict_counts_as_applied_only_with_its_card(
    tracked: Workspace, train_csv: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = train_one(tracked, train_csv)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_text", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            promotion.promote(tracked, record)
    promotion.promote(tracked, record)
    assert json.loads(stored(tracked, record.run_id, tmp_path / "stored")[0])["outcome"] == "promoted"


def test_a_refused_version_has_its_card(
    mlflow_db: Path, make_workspace: Callable[..., Workspace], train_csv: bytes, tmp_path: Path
) -> None:
    workspace = make_workspace(ACCURACY_THRESHOLD="1.0")
    record = train_one(workspace, train_csv)
    with pytest.raises(PromotionRefused):
        promotion.promote(workspace, record)
    card = json.loads(stored(workspace, record.run_id, tmp_path / "stored")[0])
    assert (card["outcome"], card["metric"]["threshold"]) == ("refused", 1.0)
    assert "below ACCURACY_THRESHOLD" in card["reason"]


def test_a_table_that_is_gone_leaves_a_card_without_scores(
    mlflow_db: Path, make_workspace: Callable[..., Workspace], train_csv: bytes, tmp_path: Path
) -> None:
    workspace = make_workspace(versioned=False)
    record = train_one(workspace, train_csv)
    workspace.store.put(workspace.settings.bucket, workspace.settings.train_key, b"other", "text/csv")
    with pytest.raises(PromotionRefused):
        promotion.promote(workspace, record)
    as_json, as_html = stored(workspace, record.run_id, tmp_path / "stored")
    assert json.loads(as_json)["metric"] is None
    assert b"its holdout cannot be drawn again" in as_html


def test_the_card_of_today_is_that_of_the_promotion_with_the_drift_since(
    promoted: tuple[Workspace, TrainedRecord],
    test_csv: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace, second = promoted
    settings = workspace.settings
    far = test_csv.replace(b",1.", b",9.").replace(b",5.", b",11.")
    for number, data in enumerate((test_csv, far)):
        workspace.store.put(settings.bucket, settings.test_key, data, "text/csv")
        score_owed(workspace)
        for one in monitoring.plan_reports(workspace):
            monitoring.report(workspace, one)
        today = current_card(workspace.ledger, settings.project, 2)
        assert sum(today.drift.severities.values()) == number + 1
    assert today.drift.severities["high"] == 1
    assert today.drift.newest == next(workspace.ledger.recent("drift")).reason
    then = json.loads(stored(workspace, second.run_id, tmp_path / "stored")[0])
    now = today.model_dump(mode="json")
    assert then.pop("drift") == {"until": then["decided_at"], "severities": {}, "newest": ""}
    assert now.pop("drift")["severities"] == today.drift.severities
    assert now == then
    assert current_card(workspace.ledger, settings.project, 1).drift.severities == {}
    told(workspace, monkeypatch, tmp_path)


def told(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """`iris card` gives the same to people and machines."""
    access = workspace.store.access
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", access.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", access.secret_access_key)
    monkeypatch.setenv("TEAM", workspace.settings.team)
    monkeypatch.setenv("IRIS_HOME", str(folder / ".iris"))
    run = CliRunner().invoke
    card = json.loads(run(app, ["card", "2", "--json"]).stdout)
    assert (card["version"], card["drift"]["severities"]["high"]) == (2, 1)
    shown = run(app, ["card", "2"]).output
    for name, score in (("accuracy", card["metric"]["score"]), ("virginica", card["classes"][2]["recall"])):
        assert name in shown
        assert f"{score['value']:.1%}" in shown
    page = folder / "card.html"
    assert run(app, ["card", "2", "--html", str(page)]).exit_code == 0
    assert card["drift"]["newest"] in unescape(page.read_text(encoding="utf-8"))
    unknown = run(app, ["card", "9"])
    assert (unknown.exit_code, "no verdict on version 9" in unknown.output) == (1, True)
    assert datetime.fromisoformat(card["drift"]["until"]) > datetime.fromisoformat(card["decided_at"])
