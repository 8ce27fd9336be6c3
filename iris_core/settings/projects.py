"""Several projects in one deployment: their files, and the values that each has of the variables.

A value comes from the project's file (`settings`), and before that from an environment variable: from
`ACCURACY_THRESHOLD__PENGUINS` for the project `penguins`, from `ACCURACY_THRESHOLD` for the default project.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo

from iris_core.errors import ConfigError
from iris_core.settings.declared import (
    Declared,
    Origin,
    closest,
    is_like_ours,
    is_secret,
    plain,
    variable,
    variables,
)
from iris_core.settings.project import Project
from iris_core.settings.project_files import PROJECT_FILE_VARIABLE, load_project, project_paths
from iris_core.settings.values import bare

if TYPE_CHECKING:
    from iris_core.settings.variables import Settings

MARK = "__"
"""Stands between a variable's name and that of the project that it is for."""

SHARED = frozenset(
    {
        PROJECT_FILE_VARIABLE,
        *("MLFLOW_TRACKING_URI", "MLFLOW_UI_URL", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"),
        *("MLFLOW_S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        *("PLATFORM_ENV", "RUN_OWNER", "IRIS_CODE_VERSION"),
    }
)
"""The variables that count for every project of a deployment; any other counts for one."""

_NEAR = 0.6


class ProjectChoice(Declared):
    """The project that a command is about. What runs in Airflow does not read it."""

    name: str = variable(
        "IRIS_PROJECT",
        "",
        "the project that the command `iris` is about, as with `iris --project`",
        "iris",
        computed="the default project",
    )


chosen_project: ContextVar[str] = ContextVar("project", default="")
"""The project of `iris --project`; "" where none was chosen."""


@dataclass(frozen=True)
class ProjectFile:
    """A project's file, with its content or the reason why it has none that can be used.

    :param path: the file.
    :param is_default: whether it is the deployment's first file.
    :param names: what the project is called: its name, and the one with its team's. Of a broken file, as far
        as it can be told.
    :param content: the project, or what is wrong with the file.
    """

    path: Path
    is_default: bool
    names: tuple[str, ...]
    content: Project | ConfigError

    def project(self) -> Project:
        """The content.

        :raises ConfigError: the file cannot be used; the message names file and field.
        """
        if isinstance(self.content, ConfigError):
            raise self.content
        return self.content


@dataclass(frozen=True)
class Deployment:
    """The projects that can be run, and the files of those that cannot, each with the reason."""

    projects: tuple[Settings, ...]
    broken: tuple[tuple[ProjectFile, ConfigError], ...] = ()

    def named(self, name: str = "") -> Settings:
        """The settings of a project.

        :param name: the project's name, alone or after its team's and `_`; "" stands for the default project.
        :raises ConfigError: there is no such project (the message lists those that there are), several teams
            have one, or its file is broken.
        """
        wanted = name.lower()
        full = [found for found in self.projects if found.project.full_name == wanted]
        found = full or [found for found in self.projects if found.project.name == wanted]
        if not name and self.projects and not self.projects[0].further:
            found = [self.projects[0]]
        if len(found) == 1:
            return found[0]
        for file, error in self.broken:
            if wanted in file.names or (file.is_default and not name):
                raise error
        known = ", ".join(one.project.full_name for one in found) or ", ".join(self.labels)
        said = "is the name of several projects" if found else "is the name of no project"
        raise ConfigError(f"{name} {said}. Known: {known}.")

    def check(self) -> None:
        """Check that no file is broken.

        :raises ConfigError: the message has a line for each broken file.
        """
        if self.broken:
            raise ConfigError("\n".join(dict.fromkeys(str(error) for _, error in self.broken)))

    @property
    def labels(self) -> list[str]:
        """The projects' names, with the team's where several have the same."""
        short = [found.project.name for found in self.projects]
        return [
            found.project.full_name if short.count(found.project.name) > 1 else found.project.name
            for found in self.projects
        ]


def read_files(named: str) -> list[ProjectFile]:
    """Read the files of a deployment's projects, broken ones, too.

    :param named: the content of `$IRIS_PROJECT_FILE`.
    """
    return [_read(path, is_default=not place) for place, path in enumerate(project_paths(named))]


def _read(path: Path, *, is_default: bool) -> ProjectFile:
    try:
        project = load_project(path)
    except ConfigError as error:
        return ProjectFile(path, is_default, _names_in(path), error)
    return ProjectFile(path, is_default, (project.name, project.full_name), project)


def _names_in(path: Path) -> tuple[str, ...]:
    """What a broken file's project is probably called."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        return (str(content["name"]).lower(), f"{content.get('default_team')}_{content['name']}".lower())
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return (path.stem.lower(),)


def for_one_project(model: type[Declared], environ: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The variables that are for one project, such as `RESCORE__WINE`: each with variable and project.

    :param model: declares the variables.
    :param environ: the names of the variables that are set.
    """
    parts = {name: plain(name).partition(MARK) for name in environ if MARK in name}
    return {
        name: (setting, project.lower())
        for name, (setting, _, project) in parts.items()
        if project and _is_setting(model, name)
    }


def check_names(model: type[Declared], environ: Iterable[str], files: Sequence[ProjectFile]) -> None:
    """Check that each variable for one project names a setting and a project: else it would have no effect.

    :param model: declares the variables.
    :param environ: the names of the variables that are set.
    :param files: the projects' files.
    :raises ConfigError: the message names what was probably meant.
    """
    declared, ours = variables(model), {one for file in files for one in file.names}
    for name in environ:
        setting, mark, project = plain(name).partition(MARK)
        if not mark or not (project.lower() in ours or _is_setting(model, name)):
            continue
        if setting not in declared:
            is_ours = is_like_ours(model, name) and project.lower() in ours
            _check_setting(f"{setting}{MARK}{project}", name, declared, is_ours)
        elif setting in SHARED:
            raise ConfigError(f"{name}: {setting} counts for every project. Set {setting} itself.")
        elif name != f"{setting}{MARK}{project.upper()}":
            raise ConfigError(
                f"{name} is no variable that is read. Was {setting}{MARK}{project.upper()} meant? Rename it, "
                "or unset it."
            )
        else:
            _check_project(name, setting, project.lower(), files)


def _is_setting(model: type[Declared], name: str) -> bool:
    return plain(name).partition(MARK)[0] in variables(model) or is_like_ours(model, name)


def _check_setting(meant: str, name: str, declared: Iterable[str], is_ours: bool) -> None:
    """Refuse a variable for one project whose first part is no setting.

    :param meant: the variable's name, in plain letters.
    :param name: the name as it was written.
    :param declared: the settings.
    :param is_ours: whether it must be ours; if not, it is refused only if it resembles a setting closely.
    """
    setting, _, project = meant.partition(MARK)
    alike = closest(setting, declared, _NEAR) if is_ours else closest(setting, declared)
    if alike or is_ours:
        asked = f"Was {alike}{MARK}{project} meant? " if alike else ""
        raise ConfigError(f"{name}: {setting} is no setting of a project. {asked}Rename it, or unset it.")


def _check_project(name: str, setting: str, project: str, files: Sequence[ProjectFile]) -> None:
    """Check the name of the project. It may be that of a file that is too broken to tell its own."""
    having = [file for file in files if project in file.names]
    if len(having) == 1 or any(project == file.names[-1] for file in having):
        return
    if having:
        full = " or ".join(f"{setting}{MARK}{file.names[-1].upper()}" for file in having)
        raise ConfigError(f"{name}: several projects are called {project}. Set {full}.")
    if any(len(file.names) == 1 for file in files):
        return
    known = sorted({one for file in files for one in file.names})
    alike = closest(project, known, _NEAR)
    meant = f"Was {setting}{MARK}{alike.upper()} meant? " if alike else ""
    shown = ", ".join(file.names[0] for file in files)
    raise ConfigError(f"{name}: {project} is the name of no project. {meant}Known: {shown}.")


def values_of(
    model: type[Declared], file: ProjectFile, environ: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, Origin]]:
    """The values that a project has of the variables, and where they come from.

    :param model: declares the variables.
    :param file: the project's file.
    :param environ: the environment.
    :raises ConfigError: the file sets what it may not set.
    """
    declared = variables(model)
    values = dict(_settings_in(file, declared))
    origins: dict[str, Origin] = {}
    if values or not file.is_default:
        origins[""] = Origin("", f"{file.path}: ")
    if not file.is_default:
        origins |= {name: Origin(name, f"{file.path}: ") for name in declared.keys() - SHARED}
    origins |= {name: Origin(name, f"{file.path}: settings: ") for name in values}
    for name in declared:
        if (file.is_default or name in SHARED) and bare(environ.get(name, "")):
            values[name] = environ[name]
            origins.pop(name, None)
    for name, (setting, project) in for_one_project(model, environ).items():
        if setting in declared and project in file.names and bare(environ[name]):
            values[setting], origins[setting] = environ[name], Origin(name)
    return {**values, PROJECT_FILE_VARIABLE: str(file.path)}, origins


def _settings_in(file: ProjectFile, declared: Mapping[str, FieldInfo]) -> Iterator[tuple[str, str]]:
    for name, value in file.project().settings.items():
        where = f"{file.path}: settings: {name}"
        if name not in declared:
            alike = closest(plain(name), declared, _NEAR)
            raise ConfigError(f"{where} is no setting.{f' Was {alike} meant?' if alike else ''}")
        if name in SHARED:
            raise ConfigError(
                f"{where} counts for every project of the deployment: set the variable instead."
            )
        if name == "TEAM":
            raise ConfigError(f"{where} is not set there: default_team of the same file names the team.")
        if is_secret(declared[name]):
            own = f"{name}{MARK}{file.names[0].upper()}"
            raise ConfigError(f"{where} is a secret, which no file holds: set the variable {own} instead.")
        yield name, _as_variable(where, value)


def _as_variable(where: str, value: Any) -> str:
    """A JSON value as it would be written into a variable."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    raise ConfigError(f"{where}: expected a text, a number, true, false or a list of texts.")
