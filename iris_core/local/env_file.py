"""Write `.env` for docker-compose.yml, with random secrets: `python -m iris_core.local.env_file [PATH]`."""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

MODE = 0o600


def _password() -> str:
    """URL-safe, so that it fits into a database URL, JSON, SQL and a shell without quoting."""
    return secrets.token_urlsafe(30)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


SECRETS: Mapping[str, Callable[[], str]] = {
    "AWS_ACCESS_KEY_ID": lambda: f"iris-{secrets.token_hex(4)}",
    "AWS_SECRET_ACCESS_KEY": _password,
    "POSTGRES_PASSWORD": _password,
    "AIRFLOW_DB_PASSWORD": _password,
    "MLFLOW_DB_PASSWORD": _password,
    "AIRFLOW_ADMIN_PASSWORD": _password,
    "AIRFLOW__API__SECRET_KEY": _password,
    "AIRFLOW__API_AUTH__JWT_SECRET": lambda: secrets.token_urlsafe(64),
    "AIRFLOW__CORE__FERNET_KEY": _fernet_key,
}
"""Every variable without a default in docker-compose.yml, and how its value is made."""


def write_env(path: Path) -> bool:
    """Write random secrets to a file that only its owner may read.

    :returns: whether it was written; a file that exists stays as it is, for the volumes know its secrets.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        return False
    lines = ["# Written by `make env`; every other variable is explained in .env.example."]
    lines += [f"{name}={make()}" for name, make in SECRETS.items()]
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, MODE)
        file.write("\n".join(lines) + "\n")
    return True


def main(arguments: list[str]) -> int:
    """Write the file that the first argument names, `.env` without one."""
    path = Path(arguments[0]) if arguments else Path(".env")
    told = "written, mode 600" if write_env(path) else "is there already; left as it is"
    sys.stdout.write(f"{path}: {told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
