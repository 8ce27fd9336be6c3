"""Watches an alias of MLflow's registry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from iris_provider_minio.hooks.mlflow import CONN_ID, MlflowHook
from iris_provider_minio.triggers.confirmed import Confirmable, ConfirmedTrigger

if TYPE_CHECKING:
    from iris_provider_minio.alias import RegistryAlias

CURSOR_KEY = "mlflow.alias"
IDENTITY = ("model", "alias", "conn_id", "name")
CONFIRMED_WITHIN_S = 30.0
"""An event that Airflow has not confirmed within so many seconds is sent again."""


class MlflowAliasTrigger(ConfirmedTrigger):
    """Fires when an alias names another version of a model; for the watcher of an asset.

    Delivery is at least once. The alias is asked for every `poll_s` seconds, and compared with the version
    whose event Airflow has in its metadata database; that is stored with the asset (`asset_state_store`).

    - Never lost: the version that the alias names now, whatever was killed since it was set. Of several
      versions that it named between two answers only the last one is announced.
    - Perhaps twice: what was announced in the last seconds before the triggerer ended; everything, if this
      trigger runs in two triggerers at once.

    The event's payload: `model`, `alias`, `version`, `run_id`, `source`, `tags`, and `model_uri`
    (`models:/model/version`). An alias that is deleted sends no event.

    :param model: the registered model.
    :param alias: the alias.
    :param conn_id: the Airflow connection of MLflow; without it `MLFLOW_TRACKING_URI` counts.
    :param existing: whether the first start announces the version that the alias names already.
    :param poll_s: seconds between two requests.
    :param name: tells two triggers apart that are alike otherwise, and watch for different assets.
    """

    arguments = ("model", "alias", "conn_id", "existing", "poll_s", "name")

    def __init__(
        self,
        *,
        model: str,
        alias: str,
        conn_id: str = CONN_ID,
        existing: bool = True,
        poll_s: float = 5.0,
        name: str = "",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.alias = alias
        self.conn_id = conn_id
        self.existing = existing
        self.poll_s = poll_s
        self.name = name

    async def source(self) -> Confirmable:
        """The versions that the alias names, with the cursor of the asset."""
        from iris_provider_minio.alias import RegistryAlias

        key = f"{CURSOR_KEY}.{self.digest(*IDENTITY)}"

        async def save(version: list[Any]) -> None:
            await self.save(key, version)

        access = await MlflowHook(conn_id=self.conn_id).aaccess()
        poll = RegistryAlias(access, self.model, self.alias, self.poll_s)
        return _Named(poll, self.alias, await self.load(key), save, self.existing)


class _Named:
    """The versions that an alias names, until Airflow has each one's event."""

    def __init__(
        self,
        poll: RegistryAlias,
        alias: str,
        confirmed: list[Any] | None,
        save: Callable[[list[Any]], Awaitable[None]],
        existing: bool,
    ) -> None:
        self._poll = poll
        self._alias = alias
        self._confirmed = confirmed
        self._save = save
        self._skips = confirmed is None and not existing
        self._saved = confirmed

    def confirm(self, receipt: list[Any]) -> None:
        self._confirmed = receipt

    async def payloads(self) -> AsyncGenerator[tuple[Any, Any], None]:
        sent: list[Any] | None = None
        sent_at = 0.0
        async with aclosing(self._poll.signals()) as signals:
            async for signal in signals:
                await self._keep()
                version = self._poll.version
                if signal.kind == "down":
                    continue
                identity = [str(version["version"]), version.get("creation_timestamp")] if version else []
                if self._skips:
                    self._skips, self._confirmed = False, identity
                now = asyncio.get_running_loop().time()
                is_under_way = identity == sent and now - sent_at < CONFIRMED_WITHIN_S
                if version and identity != self._confirmed and not is_under_way:
                    sent, sent_at = identity, now
                    yield told(version, self._alias), identity

    async def _keep(self) -> None:
        if self._confirmed != self._saved and self._confirmed is not None:
            self._saved = self._confirmed
            await self._save(self._confirmed)


def told(version: dict[str, Any], alias: str) -> dict[str, Any]:
    """What an event tells of a version.

    :param version: the version, as MLflow's REST API gives it.
    :param alias: the alias that names it.
    """
    model, number = str(version["name"]), str(version["version"])
    return {
        "model": model,
        "alias": alias,
        "version": number,
        "run_id": version.get("run_id", ""),
        "source": version.get("source", ""),
        "tags": {tag["key"]: tag["value"] for tag in version.get("tags") or []},
        "model_uri": f"models:/{model}/{number}",
    }
