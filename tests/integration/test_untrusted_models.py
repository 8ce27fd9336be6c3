"""A registered model is loaded only where nothing of it can run: planted models that would touch a file."""

from __future__ import annotations

import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from mlflow import MlflowClient

from iris_core import models, promotion, scoring, training
from iris_core.errors import ModelRefused
from iris_core.ledger import ModelRef
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.models.registry import ALIAS
from iris_core.scoring.replay import replay
from tests.touching import Touching

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MakeWorkspace = Callable[..., Workspace]


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """What a planted model touches when any of its code runs."""
    return tmp_path / "code-of-a-model-ran"


@pytest.fixture
def staged(tracked: Workspace, train_csv: bytes) -> Workspace:
    tracked.store.put(tracked.settings.bucket, tracked.settings.train_key, train_csv, "text/csv")
    work = training.train(tracked, training.validate(tracked, training.reconcile_training(tracked)))
    promotion.register_step(tracked, work.identity)
    return tracked


@pytest.fixture
def plain(staged: Workspace) -> Any:
    """The staged estimator."""
    model = models.staged(staged.settings)
    assert model is not None
    with models.loaded(staged.settings, staged.ledger, model) as found:
        return found.estimator


def plant(workspace: Workspace, model: Any, **options: Any) -> ModelRef:
    """Somebody who may write the registry logs a model and gives it the alias."""
    client = tracking.client(workspace.settings)
    with (
        mlflow.start_run(experiment_id=tracking.ensure_experiment(client, "by-hand")) as run,
        warnings.catch_warnings(action="ignore"),
    ):
        options = {"pip_requirements": ["scikit-learn"], **options}
        info = mlflow.sklearn.log_model(model, name="model", **options)
        version = mlflow.register_model(info.model_uri, workspace.settings.names.model)
    client.set_registered_model_alias(version.name, ALIAS, version.version)
    return ModelRef(name=version.name, version=int(version.version), run_id=run.info.run_id)


def files_of(model: ModelRef) -> Path:
    """The folder of a version's files: artifacts of a sqlite server lie below the working directory."""
    client = MlflowClient()
    place = client.get_model_version_download_uri(model.name, str(model.version))
    if place.startswith("models:/"):
        place = client.get_logged_model(place.removeprefix("models:/")).artifact_location
    return Path(place.removeprefix("file://"))


def rewrite(model: ModelRef, **flavor: Any) -> None:
    """Change what a model's MLmodel file says about its scikit-learn flavour."""
    path = files_of(model) / "MLmodel"
    content = yaml.safe_load(path.read_text())
    content["flavors"]["sklearn"].update(flavor)
    path.write_text(yaml.safe_dump(content))


def score(workspace: Workspace) -> None:
    data = b"sepal_length,sepal_width,petal_length,petal_width\n5,3,1,0.2\n"
    workspace.store.put(workspace.settings.bucket, workspace.settings.test_key, data, "text/csv")
    for shard in scoring.plan_shards(workspace):
        scoring.score_shard(workspace, shard)


class TestRefused:
    def test_a_pickle(self, staged: Workspace, plain: Any, ran: Path) -> None:
        model = plant(staged, plain, serialization_format="cloudpickle")
        [path] = files_of(model).glob("*.pkl")
        path.write_bytes(pickle.dumps(Touching(ran)))
        with pytest.raises(ModelRefused) as caught:
            score(staged)
        assert not ran.exists()
        told = str(caught.value)
        assert told.startswith(f"models:/{model.name}/2 is refused: its file is in the format 'cloudpickle'")
        assert "serialization_format='skops'" in told
        mlflow.sklearn.load_model(f"models:/{model.name}/2")
        assert ran.exists(), "the plant is harmless: this test proves nothing"

    @pytest.fixture
    def module(self, tmp_path: Path, ran: Path) -> Iterator[Path]:
        """A module outside this project that touches the file as it is imported, and once more when used."""
        path = tmp_path / "planted" / "planted_types.py"
        path.parent.mkdir()
        path.write_text(
            "from pathlib import Path\n"
            "from sklearn.preprocessing import StandardScaler\n"
            f"Path({str(ran)!r}).touch()\n"
            "class Scaler(StandardScaler):\n"
            "    pass\n"
        )
        yield path
        sys.modules.pop("planted_types", None)

    def _planted(
        self, workspace: Workspace, plain: Any, module: Path, monkeypatch: pytest.MonkeyPatch
    ) -> ModelRef:
        """A model of which the scaler is the planted type, and whose files say that it is to be trusted."""
        from sklearn.pipeline import make_pipeline

        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(module.parent))
            import planted_types  # type: ignore[import-not-found]

            scaler = planted_types.Scaler()
            scaler.__dict__.update(plain[0].__dict__)
            model = plant(
                workspace,
                make_pipeline(scaler, plain[1]),
                serialization_format="skops",
                skops_trusted_types=["planted_types.Scaler"],
                code_paths=[str(module)],
            )
        sys.modules.pop("planted_types")
        return model

    def test_types_that_the_model_itself_trusts(
        self, staged: Workspace, plain: Any, ran: Path, module: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = self._planted(staged, plain, module, monkeypatch)
        ran.unlink()
        monkeypatch.setattr(sys, "path", list(sys.path))
        with pytest.raises(ModelRefused, match=r"'planted_types\.Scaler'.*TRUSTED_MODEL_TYPES=planted_ty"):
            score(staged)
        assert not ran.exists()
        assert "planted_types" not in sys.modules
        mlflow.sklearn.load_model(f"models:/{model.name}/2")
        assert ran.exists(), "the plant is harmless: this test proves nothing"

    def test_types_that_the_deployment_trusts(
        self, staged: Workspace, plain: Any, module: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._planted(staged, plain, module, monkeypatch)
        trusting = staged.settings.model_copy(update={"trusted_model_types": ("planted_types.Scaler",)})
        monkeypatch.syspath_prepend(str(module.parent))
        score(Workspace(trusting, staged.store, staged.ledger, staged.actor))

    def test_the_gate_replaces_such_a_champion(
        self, staged: Workspace, plain: Any, ran: Path, train_csv: bytes
    ) -> None:
        model = plant(staged, plain, serialization_format="pickle")
        [path] = files_of(model).glob("*.pkl")
        path.write_bytes(pickle.dumps(Touching(ran)))
        data = train_csv + b"5.1,3.5,1.4,0.2,setosa\n"
        staged.store.put(staged.settings.bucket, staged.settings.train_key, data, "text/csv")
        work = training.train(staged, training.validate(staged, training.reconcile_training(staged)))
        told = promotion.register_step(staged, work.identity)
        assert "version 2 is staged but not loaded" in told["reason"]
        assert not ran.exists()
        now = models.staged(staged.settings)
        assert now is not None
        assert now.version == 3

    def test_a_replay_says_so(self, staged: Workspace, test_csv: bytes) -> None:
        staged.store.put(staged.settings.bucket, staged.settings.test_key, test_csv, "text/csv")
        scored = [s for shard in scoring.plan_shards(staged) for s in scoring.score_shard(staged, shard)]
        [published] = scoring.publish_all(staged, scored)
        model = models.staged(staged.settings)
        assert model is not None
        rewrite(model, serialization_format="pickle")
        done = replay(staged, published["scoring"])
        assert not done.same
        assert done.reasons[0].startswith("the model cannot be loaded: models:/")


def test_files_on_another_server(staged: Workspace) -> None:
    client = tracking.client(staged.settings)
    name = staged.settings.names.model
    version = client.create_model_version(name, "https://elsewhere.example/model", run_id=None)
    client.set_registered_model_alias(version.name, ALIAS, version.version)
    with pytest.raises(ModelRefused, match=r"its files are at 'https://elsewhere\.example'"):
        score(staged)
