"""Polls the registry's alias: a model staged by hand starts inference like one staged by the training DAG.

MLflow's registry webhooks can lose an event for good; a poll takes 12 ms and cannot lose one. It uses
MLflow's REST API through aiohttp, because a triggerer must neither block nor import MLflow.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp

from iris_core.errors import IrisError, RegistryError
from iris_core.ledger import Identity, Ledger, ModelRef, Outcome
from iris_core.ledger.source import Source
from iris_core.models.registry import ALIAS, APPLIED_TAG, VERDICT_TAG, reference_of
from iris_core.models.tracking import NOT_FOUND
from iris_core.store.objects import ObjectStore, ObjectVersion
from iris_provider_minio.stream import Pace, Signal

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Staged:
    """The version that the alias names, and when the pipeline staged it (None: somebody else did)."""

    model: ModelRef
    promoted_at: datetime | None = None

    def announced_by_pipeline(self, grace_s: float) -> bool:
        """Whether the training DAG staged this within the last `grace_s` seconds, and announces it itself."""
        if self.promoted_at is None:
            return False
        return datetime.now(UTC) - self.promoted_at < timedelta(seconds=grace_s)


@dataclass(frozen=True)
class Unscored:
    """An object that the staged version has not scored yet, in the form that a watch announces."""

    digest: str
    uri: str
    landed_at: datetime


class AliasPoll:
    """Polls one alias of one model; remembers the last answer.

    :param tracking_uri: MLflow's address, `http(s)://…`.
    :param model: the name of the registered model.
    :param poll_s: seconds between two requests.
    :param login: user name and password, if MLflow wants them.
    """

    def __init__(
        self, tracking_uri: str, model: str, poll_s: float, login: tuple[str, str] | None = None
    ) -> None:
        self._url = f"{tracking_uri.rstrip('/')}/api/2.0/mlflow/registered-models/alias"
        self._model = model
        self._poll_s = poll_s
        self._headers = {"Authorization": aiohttp.encode_basic_auth(*login)} if login else {}
        self.staged: Staged | None = None

    async def signals(self) -> AsyncGenerator[Signal, None]:
        """Yield signals for ever: `subscribed` if the alias names another version, `down` without an answer.

        Each kind of trouble is logged once, until MLflow answers again.
        """
        pace, failures, said, known = Pace(first_pause_s=self._poll_s), 0, "", object()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)) as session:
            while True:
                try:
                    self.staged = await self._ask(session)
                except (aiohttp.ClientError, OSError, ValueError, KeyError, IrisError) as error:
                    trouble = str(error) or type(error).__name__
                    if trouble != said:
                        log.warning("The alias %s of %s: %s. Trying again.", ALIAS, self._model, trouble)
                    said, failures = trouble, failures + 1
                    yield Signal("down")
                    await asyncio.sleep(pace.pause(failures))
                    continue
                failures, said = 0, ""
                named = self.staged.model if self.staged else None
                yield Signal("subscribed" if named != known else "tick")
                known = named
                await asyncio.sleep(self._poll_s)

    async def _ask(self, session: aiohttp.ClientSession) -> Staged | None:
        query = {"name": self._model, "alias": ALIAS}
        async with session.get(self._url, params=query, headers=self._headers) as response:
            if response.status in (401, 403):
                raise RegistryError(
                    f"MLflow refused the login ({response.status}). Check MLFLOW_TRACKING_USERNAME and "
                    "MLFLOW_TRACKING_PASSWORD"
                )
            answer = await response.json(content_type=None)
            if response.status == 200:
                return _staged(answer["model_version"])
            if answer.get("error_code") in NOT_FOUND:
                return None
            raise RegistryError(f"MLflow answered {response.status} {answer.get('error_code', '')}".strip())


def _staged(version: dict[str, object]) -> Staged:
    listed = version.get("tags") or []
    tags = {str(tag["key"]): str(tag["value"]) for tag in listed}  # type: ignore[attr-defined]
    run_id = str(version.get("run_id") or "")
    model = reference_of(str(version["name"]), str(version["version"]), run_id, tags)
    if tags.get(VERDICT_TAG) != Outcome.PROMOTED:
        return Staged(model)
    applied = tags.get(APPLIED_TAG)
    return Staged(model, datetime.fromisoformat(applied) if applied else datetime.now(UTC))


def unscored(
    poll: AliasPoll,
    store: ObjectStore,
    ledger: Ledger,
    source: Source,
    grace_s: float,
    rescore: str = "newest",
) -> Iterator[Unscored]:
    """Objects that the staged version must score again and has not scored yet. Read-only.

    :param poll: knows the staged version.
    :param store: where the objects are listed.
    :param ledger: where the scorings are recorded.
    :param source: where inference data lands.
    :param grace_s: seconds; if the training DAG staged the version within this time, its own asset event
        starts inference, and nothing is yielded.
    :param rescore: `RESCORE`: the `newest` object, `all` or `none`.
    """
    staged = poll.staged
    if staged is None or staged.announced_by_pipeline(grace_s):
        return
    variant = staged.model.variant
    for version in _scored_again(store, source, rescore):
        if ledger.get(Identity.of_object("scoring", version, variant)) is None:
            yield Unscored(f"{version.digest}-{variant}", version.uri, version.landed_at)


def _scored_again(store: ObjectStore, source: Source, rescore: str) -> Iterator[ObjectVersion]:
    if rescore == "none":
        return
    if rescore == "all":
        newest_of_each = (versions[0] for _, versions in source.by_key(store))
        yield from (item.object for item in newest_of_each if item.is_current)
    elif newest := source.newest(store):
        yield newest
