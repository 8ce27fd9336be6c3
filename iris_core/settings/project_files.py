"""Finds and reads the files of projects: `project.json` and `projects/*.json`."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from iris_core.errors import ConfigError
from iris_core.settings.project import Project
from iris_core.settings.values import bare

PROJECT_FILE_VARIABLE = "IRIS_PROJECT_FILE"
DEFAULT_NAME = "project.json"
FURTHER = "projects"
"""The folder of further projects, beside a `project.json`."""


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
