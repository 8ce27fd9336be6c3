"""Watches the registry's alias for a model that is staged by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING

from iris_airflow.hooks.minio import CONN_ID
from iris_airflow.triggers.watch import WatchTrigger

if TYPE_CHECKING:
    from airflow.triggers.base import TriggerEvent

    from iris_core.events.alias import AliasPoll
    from iris_core.ledger import Ledger
    from iris_core.ledger.source import Source
    from iris_core.store.objects import ObjectStore
    from iris_provider_minio.watch import Announceable


class MlflowAliasTrigger(WatchTrigger):
    """Fires when the alias `staging` names a version that has not scored the newest inference data.

    The training DAG announces the versions that it stages. This trigger ignores them for `grace_s` seconds,
    and announces one only if the newest inference data is still unscored then. Delivery is at least once: an
    event only says "look now", so a needless one changes nothing, even if this trigger runs in two triggerers
    at once. MLflow's address and credentials come from the triggerer's environment.

    :param model: the registered model.
    :param bucket: the data bucket.
    :param key: the inference data's key, or a prefix that ends in `/`.
    :param env: the ledger's section: the environment, and the project unless it is the default one.
    :param conn_id: the Airflow connection of the store.
    :param poll_s: seconds between two requests for the alias.
    :param sweep_s: seconds between two searches for owed scorings while the alias does not change.
    :param grace_s: seconds for which a version staged by the training DAG is left to its own event.
    :param rescore: what a newly staged version scores again: `newest`, `all` or `none`.
    :param project: the project's name; "" stands for the default project.
    """

    arguments = (
        "model",
        "bucket",
        "key",
        "env",
        "conn_id",
        "poll_s",
        "sweep_s",
        "grace_s",
        "rescore",
        "project",
    )

    def __init__(
        self,
        *,
        model: str,
        bucket: str,
        key: str,
        env: str,
        conn_id: str = CONN_ID,
        poll_s: float = 2.0,
        sweep_s: float = 60.0,
        grace_s: float = 30.0,
        rescore: str = "newest",
        project: str = "",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.bucket = bucket
        self.key = key
        self.env = env
        self.conn_id = conn_id
        self.poll_s = poll_s
        self.sweep_s = sweep_s
        self.grace_s = grace_s
        self.rescore = rescore
        self.project = project
        self._poll: AliasPoll | None = None

    async def run(self) -> AsyncGenerator[TriggerEvent, None]:
        """Yield events for ever."""
        async for event in self.filter_shared_stream(self._polled().signals()):
            yield event

    def _polled(self) -> AliasPoll:
        from iris_core.events.alias import AliasPoll
        from iris_core.settings.variables import load_deployment

        if self._poll is None:
            settings = load_deployment().named(self.project)
            self._poll = AliasPoll(settings.tracking_uri, self.model, self.poll_s, settings.tracking_login)
        return self._poll

    def _owed(self, store: ObjectStore, ledger: Ledger, source: Source) -> Iterator[Announceable]:
        from iris_core.events.alias import unscored

        return unscored(self._polled(), store, ledger, source, self.grace_s, self.rescore)
