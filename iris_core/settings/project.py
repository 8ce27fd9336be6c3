"""What `project.json` and `projects/*.json` say: each has a project's name, and the schema of its table.

Another dataset needs a change of that file, not of code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator

from iris_core.settings.features import Feature

LOGISTIC_REGRESSION = "sklearn.linear_model.LogisticRegression"
WRITTEN, PROBABILITY = ("prediction", "model_version", "source_row"), "probability_{}"
"""Names of the columns that scoring adds to a table."""
HOLDOUT = "__holdout"
"""Name of the column of a model's profile that says whether a row was in the holdout."""
MOST_TRIES = 24
"""Of a search."""


class TableSchema(BaseModel):
    """Columns of a training table; an inference table needs only the features.

    `min_rows` is the least number of rows of a training table. `key` is the column that joins late labels to
    their predictions: if an inference table has it, the predictions have it, too. `ignored` are columns that
    no model sees; like any other column they are carried through scoring. `positive` is the class of two that
    one looks for: its precision and recall are logged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    features: tuple[Feature, ...] = Field(min_length=1)
    target: str = Field(min_length=1)
    classes: tuple[str, ...] = Field(min_length=2)
    min_rows: int = Field(default=30, ge=10)
    key: str = Field(default="id", min_length=1)
    ignored: tuple[str, ...] = ()
    positive: str | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [*self.feature_names, self.target, self.key, *(set(self.ignored) - {self.key})]
        if len(set(names)) != len(names):
            raise ValueError(f"column names must be distinct: {names}")
        own = {*self.feature_names, self.target, self.key}
        if taken := sorted(own & {*WRITTEN, *map(PROBABILITY.format, self.classes)}):
            raise ValueError(
                f"{taken[0]!r} is the name of a column that scoring writes: rename it in your tables"
            )
        if HOLDOUT in own:
            raise ValueError(
                f"{HOLDOUT!r} is the name of a column of model profiles: rename it in your tables"
            )
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes must be distinct: {list(self.classes)}")
        if not all(map(str.strip, self.classes)):
            raise ValueError(f"every class needs a name, since an empty cell is no label: {[*self.classes]}")
        if self.positive is not None and self.positive not in self.classes:
            raise ValueError(f"positive: {self.positive!r} is none of the classes {list(self.classes)}")
        return self

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features' column names, in the model's order."""
        return tuple(feature.name for feature in self.features)

    @property
    def kinds(self) -> dict[str, Feature]:
        """The features that are more than numbers which are always there."""
        return {each.name: each for each in self.features if each.type != "number" or each.may_miss}

    @property
    def unlisted(self) -> tuple[str, ...]:
        """The categories whose levels are learnt from a training table, and are not yet."""
        return tuple(feature.name for feature in self.features if feature.is_unlisted)

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """The levels of each category."""
        return {one.name: one.levels for one in self.features if one.type == "category"}

    def with_levels(self, levels: Mapping[str, Sequence[str]]) -> Self:
        """The schema with these levels of its categories, in place of its own.

        :param levels: by column; what is no category of this table does not count.
        :raises ValidationError: they cannot be levels.
        """
        features = [
            Feature(**{**one.model_dump(), "levels": tuple(levels[one.name])})
            if one.type == "category" and one.name in levels
            else one
            for one in self.features
        ]
        return self.model_copy(update={"features": tuple(features)})

    @property
    def coded(self) -> dict[str, tuple[str, ...]]:
        """What the codes of each category or truth value stand for."""
        return {feature.name: feature.codes for feature in self.features if feature.codes}


class CostMatrix(BaseModel):
    """What wrong answers cost: `cost[class][answer]`. Of pairs that are not named, a right answer costs 0 and
    a wrong one 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cost: dict[str, dict[str, float]] = Field(min_length=1)

    @model_validator(mode="after")
    def _costs_something(self) -> Self:
        given = [value for row in self.cost.values() for value in row.values()]
        if min(given, default=0) < 0 or not max(given, default=0) > 0:
            raise ValueError(f"costs are at least 0, and one of them is above it: {self.cost}")
        return self


Metric = Literal["accuracy", "balanced_accuracy", "macro_f1", "log_loss"] | CostMatrix
"""What a model is judged by. As a score from 0 to 1, higher is better: log loss as e to the minus log loss,
cost as what is saved of the highest cost."""


def metric_label(metric: Metric) -> str:
    """A metric's name, as sentences and records hold it."""
    return "cost" if isinstance(metric, CostMatrix) else metric


class ModelChoice(BaseModel):
    """The classifier that is trained, `project.json`'s `model`.

    `estimator` is its full name, `parameters` what it is made with. `search` has the values that are tried
    for further parameters, every combination cross-validated. `class_weights` say how much a row of a class
    counts: `balanced` (each class as much as any other), or a number for each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    estimator: str = Field(default=LOGISTIC_REGRESSION, pattern=r"^(sklearn|lightgbm)(\.[A-Za-z_]\w*)+$")
    parameters: dict[str, Any] = {}
    search: dict[str, tuple[Any, ...]] = {}
    class_weights: Literal["balanced"] | dict[str, PositiveFloat] | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if twice := sorted({*self.parameters} & {*self.search}):
            raise ValueError(f"{twice} have a value in parameters and several in search")
        if empty := sorted(name for name, values in self.search.items() if not values):
            raise ValueError(f"search has no value for {empty}")
        tries = prod(map(len, self.search.values()))
        if tries > MOST_TRIES:
            raise ValueError(f"search has {tries} combinations; at most {MOST_TRIES} are tried")
        return self


Text = Annotated[str, Field(max_length=2_000)]


class About(BaseModel):
    """What people should know before they use a project's models; their model cards show it.

    `owner` is whom to ask. `intended_use` says what the answers are for, `not_for` what they must not be used
    for, `limits` what is known to go wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: Text = ""
    intended_use: Text = ""
    not_for: Text = ""
    limits: tuple[Text, ...] = Field(default=(), max_length=50)


class Project(BaseModel):
    """The content of `project.json`.

    `model` is the classifier that is trained; None stands for a logistic regression. `metric` is what models
    are judged by. `batch_spread` is what the means of batches differ by beyond the chance of independent
    rows, in standard deviations of the rows. `about` is for people, and changes nothing that is computed.
    `settings` are the project's own values of variables, by the variables' names; an environment variable
    wins over them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    default_team: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    dag_directory: str = "dags"
    tags: tuple[str, ...] = ()
    table: TableSchema
    model: ModelChoice | None = None
    metric: Metric = "accuracy"
    batch_spread: float = Field(default=0.0, ge=0, le=10)
    about: About = About()
    settings: dict[str, Any] = {}

    @property
    def full_name(self) -> str:
        """The name with the default team's: another team may have a project of the same name."""
        return f"{self.default_team}_{self.name}"

    @model_validator(mode="after")
    def _known_classes(self) -> Self:
        if isinstance(self.metric, CostMatrix):
            named = {*self.metric.cost, *(name for row in self.metric.cost.values() for name in row)}
            if unknown := sorted(named - {*self.table.classes}):
                raise ValueError(f"metric: {unknown} are no classes of the table")
        weights = self.model.class_weights if self.model else None
        if isinstance(weights, dict) and {*weights} != {*self.table.classes}:
            raise ValueError(f"model: class_weights need a number for each of {list(self.table.classes)}")
        return self
