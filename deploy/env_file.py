"""Writes `.env` for docker-compose.yml, with random secrets: `python -m deploy.env_file [PATH]`."""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

MODE = 0o600


def _password() -> str:
    """A random password that needs no quoting in a database URL, JSON, SQL or a shell."""
    return secrets.token_urlsafe(30)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _user(part: str) -> Callable[[], str]:
    """A maker of random user names with this beginning; MinIO allows 20 characters."""
    return lambda: f"{part}-{secrets.token_hex(4)}"


SECRETS: Mapping[str, Callable[[], str]] = {
    "MINIO_ROOT_USER": _user("root"),
    "MINIO_ROOT_PASSWORD": _password,
    "AWS_ACCESS_KEY_ID": _user("iris"),
    "AWS_SECRET_ACCESS_KEY": _password,
    "MLFLOW_S3_ACCESS_KEY_ID": _user("mlflow"),
    "MLFLOW_S3_SECRET_ACCESS_KEY": _password,
    "UPLOAD_ACCESS_KEY_ID": _user("upload"),
    "UPLOAD_SECRET_ACCESS_KEY": _password,
    "POSTGRES_PASSWORD": _password,
    "AIRFLOW_DB_PASSWORD": _password,
    "MLFLOW_DB_PASSWORD": _password,
    "REDIS_PASSWORD": _password,
    "MLFLOW_ADMIN_PASSWORD": _password,
    "MLFLOW_PIPELINES_PASSWORD": _password,
    "MLFLOW_STAGING_PASSWORD": _password,
    "MLFLOW_READER_PASSWORD": _password,
    "MLFLOW_FLASK_SERVER_SECRET_KEY": _password,
    "AIRFLOW_ADMIN_PASSWORD": _password,
    "GRAFANA_ADMIN_PASSWORD": _password,
    "AIRFLOW__API__SECRET_KEY": _password,
    "AIRFLOW__API_AUTH__JWT_SECRET": lambda: secrets.token_urlsafe(64),
    "AIRFLOW__CORE__FERNET_KEY": _fernet_key,
}
"""Every variable without a default in docker-compose.yml, and the function that makes its value."""

HEADING = "# Written by `make env`; every other variable is explained in .env.example."


def read_env(path: Path) -> dict[str, str]:
    """The variables that a file sets; none if there is no such file."""
    if not path.exists():
        return {}
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, value in pairs}


def write_env(path: Path) -> list[str]:
    """Add random values for the secrets that the file lacks; only its owner may read it.

    Values that are set already are kept, since the volumes hold data that depends on them.

    :returns: the names of the added secrets.
    """
    known = {name for name, value in read_env(path).items() if value}
    lacking = [name for name in SECRETS if name not in known]
    if not lacking:
        return []
    kept = path.read_text(encoding="utf-8").splitlines() if path.exists() else [HEADING]
    lines = [line for line in kept if line.partition("=")[0].strip() not in lacking]
    lines += [f"{name}={SECRETS[name]()}" for name in lacking]
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, MODE)
        file.write("\n".join(lines) + "\n")
    draft.replace(path)
    return lacking


def main(arguments: list[str]) -> int:
    """Complete the file that the first argument names, by default `.env`."""
    path = Path(arguments[0]) if arguments else Path(".env")
    is_new = not path.exists()
    written = write_env(path)
    told = "written, mode 600" if is_new else f"{', '.join(written)} added, the rest left as it is"
    sys.stdout.write(f"{path}: {told if written else 'has every secret; left as it is'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
