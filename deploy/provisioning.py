"""What the programs that set up a deployment have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from iris_core.errors import ConfigError, IrisError
from iris_core.settings.variables import Settings, load_deployment


def named(environ: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """The values of these variables.

    :raises ConfigError: one of them is missing.
    """
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise ConfigError(f"{', '.join(missing)} not set: `make env` writes random ones into .env.")
    return [environ[name] for name in names]


def sound_projects(environ: Mapping[str, str]) -> tuple[Sequence[Settings], str]:
    """The settings of the projects that can run, and a line for each that cannot.

    :raises ConfigError: none can run, or a variable counts for all of them and is wrong.
    """
    deployment = load_deployment(environ)
    if not deployment.projects:
        deployment.check()
    return deployment.projects, "".join(f"left out: {error}\n" for _, error in deployment.broken)


def run(provision: Callable[[Mapping[str, str]], str]) -> int:
    """Provision with this process's environment, print the summary or the error; return the exit code."""
    try:
        told = provision(os.environ)
    except IrisError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{told}\n")
    return 0
