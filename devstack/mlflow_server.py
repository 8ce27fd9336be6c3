"""`mlflow server` without a parent that waits: `python -m devstack.mlflow_server`, with MLflow's options.

MLflow's command starts its server as a child and waits for it, with all of MLflow imported: 220 MB that do
nothing. Here the server takes the command's place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn


def main() -> None:
    """Run MLflow's command with this process's arguments, until it becomes the server."""
    from mlflow import cli, server

    mlflows: Any = server
    mlflows._exec_cmd = become
    cli.server.main(sys.argv[1:], prog_name="mlflow server")


def become(command: Sequence[str], extra_env: Mapping[str, str], **_waiting: object) -> NoReturn:
    """Replace this process by a command.

    :param command: the command, its first word a path.
    :param extra_env: variables besides this process's.
    """
    os.execve(command[0], [*command], {**os.environ, **extra_env})  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
