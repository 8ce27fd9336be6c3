"""Sets up a fresh MinIO: `python -m deploy.minio_init`. It may be run again at any time.

Creates the buckets, and three users with least privilege: for the pipelines, MLflow and data scientists. Only
this program and MinIO itself know the root credentials, `MINIO_ROOT_USER` and `MINIO_ROOT_PASSWORD`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import urllib3
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin

from deploy.buckets import ensure_buckets
from deploy.policies import Policy, artifact_policy, pipeline_policy, upload_policy
from deploy.provisioning import named, run, sound_projects
from iris_core.errors import ConfigError, StoreError
from iris_core.settings.places import ARTIFACT_BUCKET
from iris_core.settings.variables import Settings
from iris_core.store.objects import ObjectStore
from iris_provider_minio.access import StoreAccess, connections

ROOT = ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")
PIPELINES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
MLFLOW = ("MLFLOW_S3_ACCESS_KEY_ID", "MLFLOW_S3_SECRET_ACCESS_KEY")
UPLOADS = ("UPLOAD_ACCESS_KEY_ID", "UPLOAD_SECRET_ACCESS_KEY")

_NO_ADMIN_API = {"404", "405", "501"}


class NoAdminApi(StoreError):
    """The store is no MinIO; create its users with its own tools."""


@dataclass(frozen=True)
class User:
    """A user of the object store; MinIO's console shows `policy_name`."""

    access_key: str
    secret_key: str = field(repr=False)
    policy_name: str
    policy: Policy


def users_of(projects: Sequence[Settings], environ: Mapping[str, str]) -> list[User]:
    """The three users that the variables name, each with its policy for these projects.

    :raises ConfigError: a variable is missing, or two users share a name.
    """
    policies = {
        "pipelines": (PIPELINES, pipeline_policy(*projects)),
        "mlflow": (MLFLOW, artifact_policy(ARTIFACT_BUCKET)),
        "uploads": (UPLOADS, upload_policy(*projects)),
    }
    prefix = f"{projects[0].team}-{projects[0].platform_env}"
    users = []
    for part, (names, policy) in policies.items():
        access_key, secret_key = named(environ, names)
        users.append(User(access_key, secret_key, f"{prefix}-{part}", policy))
    if len({named(environ, ROOT)[0], *(user.access_key for user in users)}) != len(users) + 1:
        ids = ", ".join(names[0] for names in (ROOT, PIPELINES, MLFLOW, UPLOADS))
        raise ConfigError(
            f"{ids}: two of them are the same. Each is a user of its own: `make env` makes them."
        )
    return users


def ensure_users(root: StoreAccess, users: Iterable[User]) -> None:
    """Create or correct each user, with its secret and exactly its policy.

    :param root: the store's address and root credentials.
    :param users: the users.
    :raises NoAdminApi: the store has no admin API to create users.
    :raises StoreError: the store does not answer, or refuses.
    """
    url = urlsplit(root.endpoint_url)
    admin = MinioAdmin(
        endpoint=url.netloc,
        credentials=StaticProvider(root.access_key_id, root.secret_access_key),
        region=root.region,
        secure=url.scheme == "https",
        http_client=connections(),
    )
    with _told(root.endpoint_url):
        for user in users:
            admin.policy_add(user.policy_name, policy=dict(user.policy))
            admin.user_add(user.access_key, user.secret_key)
            admin.policy_set(user.policy_name, user=user.access_key)


def provision(environ: Mapping[str, str]) -> str:
    """Create the buckets and users of the environment's projects; return a summary.

    :raises IrisError: a variable is missing, or the store does not answer or refuses.
    """
    projects, left_out = sound_projects(environ)
    root = StoreAccess(projects[0].s3_endpoint_url, *named(environ, ROOT))
    users = users_of(projects, environ)
    buckets = ensure_buckets(ObjectStore(root), *projects)
    told = f"{left_out}{root.endpoint_url}: buckets {', '.join(buckets)}"
    try:
        ensure_users(root, users)
    except NoAdminApi as error:
        return f"{told}; no users: {error}"
    return f"{told}; users {', '.join(f'{user.access_key} ({user.policy_name})' for user in users)}"


@contextmanager
def _told(endpoint: str) -> Iterator[None]:
    try:
        yield
    except MinioAdminException as error:
        if error._code in _NO_ADMIN_API:
            message = f"{endpoint} has no MinIO admin API. Make them with the store's own tools."
            raise NoAdminApi(message) from error
        raise StoreError(
            f"{endpoint}: making users was refused ({error}). "
            "MINIO_ROOT_USER and MINIO_ROOT_PASSWORD must be the server's own."
        ) from error
    except urllib3.exceptions.HTTPError as error:
        raise StoreError(f"{endpoint}: no answer from the store ({str(error)[:200]}).") from error


def main() -> int:
    """Provision the environment's store; return the exit code."""
    return run(provision)


if __name__ == "__main__":
    sys.exit(main())
