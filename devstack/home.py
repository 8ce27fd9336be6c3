"""The folder of the local stack: `.iris/`, which git ignores, or the folder that `IRIS_HOME` names."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import iris_core
from devstack.variables import StackVariables
from iris_core.errors import ConfigError, StackError
from iris_core.settings.declared import given
from iris_core.settings.project_files import project_file

OWN = frozenset(
    {"logs", "store", "mlflow", "airflow", "results", "reports"}
    | {"stack.id", "stack.json", "stack.env", "stack.lock", "demo.json"}
)
"""Names of what a stack keeps in its folder."""


@dataclass(frozen=True)
class Home:
    """The paths below the stack's folder. Only `identity` writes."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def mlflow(self) -> Path:
        return self.root / "mlflow"

    @property
    def airflow(self) -> Path:
        return self.root / "airflow"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def state(self) -> Path:
        """Endpoints and processes of the running stack, or of the last one."""
        return self.root / "stack.json"

    @property
    def environment(self) -> Path:
        """Credentials and endpoints, for `set -a; . .iris/stack.env`."""
        return self.root / "stack.env"

    @property
    def lock(self) -> Path:
        return self.root / "stack.lock"

    @property
    def demo(self) -> Path:
        return self.root / "demo.json"

    def log(self, component: str) -> Path:
        return self.logs / f"{component}.log"

    def check_own(self) -> None:
        """Refuse a folder with other files, in which no stack has been: `reset` would delete them.

        :raises StackError: the folder is such a one.
        """
        if (self.root / "stack.id").exists() or not self.root.exists():
            return
        if foreign := sorted(path.name for path in self.root.iterdir() if path.name not in OWN):
            raise StackError(
                f"{self.root} is no folder of a stack: it holds {', '.join(foreign[:3])}. "
                "Name an empty folder, or a new one, with IRIS_HOME. Nothing was changed."
            )

    def identity(self) -> str:
        """The mark of every process of this home's stack. Created once; down and up do not change it."""
        path = self.root / "stack.id"
        if path.exists():
            return path.read_text(encoding="utf-8").strip()
        identity = secrets.token_hex(8)
        write_file(path, identity + "\n")
        return identity


def find_home(environ: Mapping[str, str] | None = None) -> Home:
    """The home in `$IRIS_HOME`, else in `.iris` in the project's folder.

    :raises ConfigError: `$IRIS_HOME` names a file, or something below one.
    """
    environ = os.environ if environ is None else environ
    if named := given(StackVariables, environ).get("IRIS_HOME"):
        root = Path(named).expanduser().resolve()
        if file := next((path for path in (root, *root.parents) if path.is_file()), None):
            raise ConfigError(f"IRIS_HOME={named}: {file} is a file. Name a folder; it need not exist.")
        return Home(root)
    return Home(project_folder() / ".iris")


def project_folder() -> Path:
    """The folder of `project.json`; the current folder if the file belongs to an installed package."""
    folder = project_file().resolve().parent
    installed = folder == Path(iris_core.__file__).resolve().parent
    return Path.cwd() if installed else folder


def write_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file atomically, so that neither a reader nor a crash leaves half of it.

    :param path: the file.
    :param text: the new content.
    :param mode: the file's permissions.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file atomically; dates are written as ISO 8601."""
    write_file(path, json.dumps(content, indent=1, default=str) + "\n")
