"""Classifiers that project.json names: made, refused, searched for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression

from iris_core.errors import ConfigError
from iris_core.models.holdout import Part
from iris_core.settings.project import MOST_TRIES, Metric, ModelChoice, Project
from iris_core.settings.project_files import load_project
from iris_core.training.estimators import check_model, pipeline_of, search
from iris_core.training.fitting import TrainingConfig, fit, recipe

PROJECT = load_project()
TABLE = PROJECT.table
SEED = 7
FOREST = "sklearn.ensemble.RandomForestClassifier"


def choice(estimator: str = FOREST, **given: Any) -> ModelChoice:
    return ModelChoice(estimator=estimator, **given)


def rows(count: int = 240) -> Part:
    """Three classes, told by whether two features lie on the same side: no line parts them."""
    draw = np.random.default_rng(SEED)
    values = draw.normal(0, 1, (count, len(TABLE.features)))
    place = (values[:, 0] * values[:, 1] > 0).astype(int) + (values[:, 2] > 1)
    features = pd.DataFrame(values, columns=list(TABLE.feature_names))
    return Part(features, pd.Series(np.asarray(TABLE.classes)[place], name=TABLE.target))


def refused(wrong: ModelChoice) -> str:
    with pytest.raises(ConfigError) as caught:
        check_model(wrong, TABLE, SEED)
    return str(caught.value)


@pytest.mark.parametrize(
    ("estimator", "parameters"),
    [
        (FOREST, {"n_estimators": 50}),
        ("sklearn.ensemble.ExtraTreesClassifier", {}),
        ("sklearn.ensemble.GradientBoostingClassifier", {}),
        pytest.param(
            "sklearn.ensemble.HistGradientBoostingClassifier",
            {"learning_rate": 0.05},
            marks=pytest.mark.integration,  # joblib asks lscpu for the number of cores
        ),
        ("sklearn.tree.DecisionTreeClassifier", {"max_depth": 3}),
        ("sklearn.neighbors.KNeighborsClassifier", {}),
        ("sklearn.svm.SVC", {"kernel": "rbf"}),
        ("sklearn.neural_network.MLPClassifier", {"max_iter": 20}),
        ("sklearn.naive_bayes.GaussianNB", {}),
        ("sklearn.linear_model.SGDClassifier", {"loss": "log_loss"}),
        ("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", {}),
    ],
)
def test_classifiers_that_can_be_trained_and_stored(estimator: str, parameters: dict[str, Any]) -> None:
    check_model(choice(estimator, parameters=parameters), TABLE, SEED)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (choice("sklearn.linear_model.Ridge"), "Ridge cannot be trained: it is no classifier."),
        (choice("sklearn.nosuch.Thing"), "No module named 'sklearn.nosuch'. Is its package installed?"),
        (choice("sklearn.svm.Nothing"), "has no attribute 'Nothing'"),
        (choice("sklearn.svm.SVC", parameters={"CC": 1}), "it has no CC, but C, break_ties, "),
        (choice("sklearn.svm.SVC", parameters={"C": -1}), "The 'C' parameter of SVC must be a float"),
        (choice("sklearn.ensemble.VotingClassifier"), "missing 1 required positional argument: 'estimators'"),
        (choice("sklearn.neighbors.KNeighborsClassifier", class_weights="balanced"), "has no class_weight"),
    ],
)
@pytest.mark.integration  # joblib asks lscpu for the number of cores
def test_others_are_refused_with_those_that_can(wrong: ModelChoice, told: str) -> None:
    sentence = refused(wrong)
    assert sentence.startswith("project.json: model: sklearn.")
    assert told in sentence
    assert "Those that can: " in sentence
    assert "sklearn.ensemble.HistGradientBoostingClassifier, " in sentence
    assert "sklearn.ensemble.AdaBoostClassifier, " in sentence
    possible = sentence.partition("Those that can: ")[2]
    assert "VotingClassifier" not in possible
    assert "MultinomialNB" not in possible, "it takes no negative numbers, and scaled columns have some"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"estimator": "os.system"}, "pattern"),
        ({"parameters": {"C": 1}, "search": {"C": [1]}}, "have a value in parameters and several in search"),
        ({"search": {"C": []}}, "search has no value for"),
        (
            {"search": {"a": [*range(5)], "b": [*range(5)]}},
            f"25 combinations; at most {MOST_TRIES} are tried",
        ),
        ({"class_weights": {"setosa": 0}}, "greater than 0"),
    ],
)
def test_what_project_json_may_say(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ModelChoice.model_validate(given)


def test_class_weights_name_every_class() -> None:
    model = {"class_weights": {"setosa": 1.0}}
    with pytest.raises(ValidationError, match="need a number for each of"):
        Project.model_validate({**PROJECT.model_dump(), "model": model})


def test_trees_are_not_scaled_and_are_seeded() -> None:
    assert [name for name, _ in pipeline_of(choice(), TABLE, SEED).steps] == ["randomforestclassifier"]
    linear = pipeline_of(ModelChoice(class_weights="balanced"), TABLE, SEED)
    assert [name for name, _ in linear.steps] == ["standardscaler", "logisticregression"]
    assert linear[-1].class_weight == "balanced"
    assert linear[-1].random_state == SEED
    assert pipeline_of(choice(parameters={"random_state": 1}), TABLE, SEED)[-1].random_state == 1


def test_search_finds_what_is_better_and_says_each_try(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    wanted = choice(
        "sklearn.tree.DecisionTreeClassifier", search={"max_depth": [1, 6], "criterion": ["gini"]}
    )
    tries = search(wanted, TABLE, rows(), "balanced_accuracy", SEED)
    assert [tried.parameters["max_depth"] for tried in tries] == [6, 1]
    assert tries[0].score > tries[1].score + 0.1
    assert "Try 2 of 2, {'max_depth': 6, 'criterion': 'gini'}: balanced_accuracy 0." in caplog.text
    assert search(wanted, TABLE, rows(), "balanced_accuracy", SEED) == tries


def test_the_chosen_parameters_are_trained() -> None:
    wanted = choice("sklearn.tree.DecisionTreeClassifier", search={"max_depth": [1, 6]})
    config = TrainingConfig(table=TABLE, model=wanted)
    part = rows()
    fitted = fit(part.features.assign(**{TABLE.target: part.labels}), config)
    assert fitted.pipeline[-1].get_params()["max_depth"] == fitted.tries[0].parameters["max_depth"] == 6


class TestVariant:
    def test_of_the_default_is_what_it_was(self) -> None:
        """Otherwise every newest table would be trained on again after an upgrade."""
        assert TrainingConfig.of(PROJECT).variant == TrainingConfig(table=TABLE).variant == "ccef6806e43c5"

    def test_another_model_is_another_training(self) -> None:
        variants = {
            TrainingConfig(table=TABLE, model=model).variant
            for model in (None, choice(), choice(parameters={"max_depth": 3}), ModelChoice())
        }
        assert len(variants) == 4

    def test_the_metric_counts_where_it_chooses(self) -> None:
        searching = choice(search={"max_depth": [1, 2]})
        for model, count in ((None, 1), (choice(), 1), (searching, 2)):
            metrics: tuple[Metric, ...] = ("accuracy", "macro_f1")
            configs = [TrainingConfig(table=TABLE, model=model, metric=metric) for metric in metrics]
            assert len({config.variant for config in configs}) == count


def test_settings_of_a_model_do_not_tell_of_the_default() -> None:
    told = TrainingConfig(table=TABLE, model=choice()).settings.model_dump()
    assert told["estimator"] == FOREST
    assert "inverse_regularization" not in told
    assert recipe(TrainingConfig(table=TABLE))[-1].C == 1.0


def test_an_estimator_that_takes_any_parameter_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As LightGBM's do, beside those that they name."""

    class Open(LogisticRegression):
        def __init__(self, C: float = 1.0, **others: object) -> None:  # noqa: N803
            super().__init__(C=C)
            self.others = others

    monkeypatch.setattr("sklearn.linear_model.Open", Open, raising=False)
    made = pipeline_of(choice("sklearn.linear_model.Open", parameters={"verbosity": -1}), TABLE, SEED)
    assert made[-1].others == {"verbosity": -1}
