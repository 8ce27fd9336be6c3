"""The workspace of a step: everything that it needs from outside, opened once and handed down."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from iris_core.errors import ConfigError
from iris_core.ledger.ledger import Ledger
from iris_core.ledger.records.base import Actor
from iris_core.settings.variables import Settings
from iris_core.store.objects import ObjectStore, StoreAccess


@dataclass(frozen=True)
class Workspace:
    """Settings, store, ledger, and the actor who is named in records."""

    settings: Settings
    store: ObjectStore
    ledger: Ledger
    actor: Actor = field(default_factory=Actor)

    def acting_as(self, actor: Actor) -> Workspace:
        """The same workspace with another actor."""
        return replace(self, actor=actor)


def open_workspace(settings: Settings, access: StoreAccess, actor: Actor | None = None) -> Workspace:
    """Open the store and the ledger of the settings' project.

    :param settings: name bucket and environment.
    :param access: address and credentials of the object store.
    :param actor: the actor who is named in records; by default `RUN_OWNER` alone.
    """
    store = ObjectStore(access)
    ledger = Ledger(store, settings.bucket, settings.names.section)
    return Workspace(settings, store, ledger, actor or Actor(owner=settings.run_owner))


def access_from_settings(settings: Settings) -> StoreAccess:
    """Address and credentials of the object store from the settings, for use outside Airflow.

    :raises ConfigError: a credential is missing.
    """
    if not settings.access_key_id or not settings.secret_access_key:
        raise ConfigError(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set: the object store needs both. "
            "Set them, or start the local stack, whose own are used while it runs: `make up`."
        )
    return StoreAccess(
        endpoint_url=settings.s3_endpoint_url,
        access_key_id=settings.access_key_id,
        secret_access_key=settings.secret_access_key.get_secret_value(),
    )
