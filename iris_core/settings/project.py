"""`project.json` and `projects/*.json`: each has a project's name, and the schema of its table.

Another dataset needs a change of that file, not of code.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator

from iris_core.errors import ConfigError
from iris_core.settings.features import Feature
from iris_core.settings.values import bare

PROJECT_FILE_VARIABLE = "IRIS_PROJECT_FILE"
DEFAULT_NAME = "project.json"
FURTHER = "projects"
"""The folder of further projects, beside a `project.json`."""

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


def project_paths(named: str) -> tuple[Path, ...]:
    """The files of a deployment's projects; the first is the default project's.

    Beside a `project.json`, the files `projects/*.json` belong to further projects.

    :param named: the content of `$IRIS_PROJECT_FILE`: a file, a folder with such files, or several of both,
        separated by commas or colons; "" stands for the shipped file.
    :raises ConfigError: a folder holds no project.
    """
    given = project_roots(named)
    found: dict[Path, Path] = {}
    for path in given:
        for file in _files_in(path) if path.is_dir() else _files_beside(path):
            found.setdefault(file.resolve(), file)
    return tuple(found.values())


def project_roots(named: str) -> list[Path]:
    """The files and folders that a content of `$IRIS_PROJECT_FILE` names."""
    if not named:
        return [shipped_file()]
    if os.path.exists(named):  # noqa: PTH110 - a list of paths may be too long for Path.exists
        return [Path(named)]
    parts = named.split("," if "," in named else os.pathsep)
    return [Path(part) for part in map(bare, parts) if part] or [Path(named)]


def _files_in(folder: Path) -> list[Path]:
    first = folder / DEFAULT_NAME
    found = [*(_files_beside(first) if first.exists() else []), *_json_in(folder)]
    if not found:
        raise ConfigError(
            f"{PROJECT_FILE_VARIABLE}: the folder {folder} holds no project. Each project is a file there "
            "whose name ends in .json."
        )
    return found


def _files_beside(file: Path) -> list[Path]:
    return [file, *(_json_in(file.parent / FURTHER) if file.name == DEFAULT_NAME else [])]


def _json_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.json") if not file.name.startswith("."))


def project_file() -> Path:
    """The default project's file: of those that `$IRIS_PROJECT_FILE` names, else of the shipped ones."""
    return project_paths(bare(os.environ.get(PROJECT_FILE_VARIABLE, "")))[0]


def shipped_file() -> Path:
    """The `project.json` in the package, else that of the checkout."""
    packaged = Path(__file__).parents[1] / DEFAULT_NAME
    return packaged if packaged.exists() else Path(__file__).parents[2] / DEFAULT_NAME


def load_project(path: Path | None = None) -> Project:
    """Read `project.json`.

    :raises ConfigError: the file is missing or not JSON, or a field is wrong; the message names both.
    """
    path = path or project_file()
    try:
        text = path.read_text(encoding="utf-8-sig")
        return Project.model_validate(json.loads(text, object_pairs_hook=_each_once))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path} is missing: it names the project and its table. "
            f"Point {PROJECT_FILE_VARIABLE} at one, or restore the repository's project.json."
        ) from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}, line {error.lineno}: not JSON ({error.msg}).") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{path}: {where}: {first['msg']}.") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON in UTF-8 ({error}).") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object's content; JSON itself lets the last of two equal keys win."""
    counts = Counter(key for key, _ in pairs)
    if twice := [key for key, count in counts.items() if count > 1]:
        raise ConfigError(f"{twice[0]!r} stands {counts[twice[0]]} times in one object. Keep one of them.")
    return dict(pairs)
