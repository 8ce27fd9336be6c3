"""What the images of Postgres and MinIO bring: their programs, and what their entrypoints do with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from devstack.components import minio_binary
from devstack.ports import LOOPBACK

ACCESS_KEYS = ("MINIO_ROOT_USER", "AWS_ACCESS_KEY_ID", "MLFLOW_S3_ACCESS_KEY_ID", "UPLOAD_ACCESS_KEY_ID")
"""Whom the embedded store lets in; it has no users."""


class Missing(RuntimeError):
    """A server is not installed."""


class Failed(RuntimeError):
    """A service ended, or did not become healthy; quotes its log."""


def postgres_folder() -> Path:
    """Where PostgreSQL's programs are; Debian leaves most of them off the PATH.

    :raises Missing: there are none.
    """
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(debian, key=lambda path: int(path.parts[-3]), reverse=True)
    found = newest[0] if newest else shutil.which("initdb")
    if not found:
        raise Missing("PostgreSQL is not installed. `make test-stack-servers` installs it with apt.")
    return Path(found).parent


def check_servers() -> None:
    """See that everything is there that containers would bring.

    :raises Missing: names what is not, and how to get it.
    """
    postgres_folder()
    for program in ("redis-server", "redis-cli", "curl"):
        if not shutil.which(program):
            raise Missing(f"{program} is not installed. `make test-stack-servers` installs it with apt.")


def postgres(folder: Path, environ: Mapping[str, str], scripts: Sequence[Path], port: int) -> list[str]:
    """The server's command, after what the entrypoint does: a cluster with a password, the init scripts.

    Its server is another user when we are root, as in the container.
    """
    data, password, programs = folder / "data", folder / "password", postgres_folder()
    folder.mkdir()
    password.write_text(environ["POSTGRES_PASSWORD"], encoding="utf-8")
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        shutil.chown(password, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
    server = ["-k", str(folder), "-c", "fsync=off", "-c", "full_page_writes=off", "-p", str(port)]
    control = [*as_user, str(programs / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "init.log")]
    init = [
        *(*as_user, str(programs / "initdb"), "-D", str(data), "-U", "postgres", f"--pwfile={password}"),
        *("--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "--encoding=UTF8"),
    ]
    run(init, environ)
    run([*control, "-o", " ".join([*server, "-c", "listen_addresses=''"]), "start"], environ)
    for script in scripts:
        psql = [str(programs / "psql"), "-h", str(folder), "-U", "postgres", "-v", "ON_ERROR_STOP=1"]
        run([*psql, "-f", str(script)], environ)
    run([*control, "-m", "fast", "stop"], environ)
    listen = ["-c", f"listen_addresses={LOOPBACK}"]
    return [*as_user, str(programs / "postgres"), "-D", str(data), *server, *listen]


def minio(command: Sequence[str], user: str, data: Path, users: Mapping[str, str], port: int) -> list[str]:
    """A real MinIO's command where there is one, else the embedded store's, which lets the same users in.

    :param user: whom the real one runs as, without capabilities, when we are root.
    :param users: the variables that name the store's users.
    """
    if binary := minio_binary(os.environ):
        words = [str(data) if word == "/data" else word for word in command]
        return [*as_user(user), binary, *words, "--address", f"{LOOPBACK}:{port}"]
    keys = ",".join(users[name] for name in ACCESS_KEYS)
    embedded = [sys.executable, "-P", "-m", "devstack.embedded_s3", "--access-key", keys]
    return [*embedded, "--port", str(port), "--data", str(data)]


def as_user(user: str) -> list[str]:
    """What makes a command another user's, `uid:gid`, without capabilities; nothing when we are not root."""
    if os.geteuid() != 0:
        return []
    uid, gid = user.split(":")
    dropped = ["--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", *dropped, "--"]


def run(command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Run a program to its end.

    :raises Failed: its exit code is not 0; quotes what it wrote.
    """
    done = subprocess.run(command, env=dict(environ), cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
