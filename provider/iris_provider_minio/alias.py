"""Polls an alias of MLflow's registry.

MLflow's registry webhooks can lose an event for good; a poll takes 12 ms and cannot lose one. It uses
MLflow's REST API through aiohttp, because a triggerer must neither block nor import MLflow.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import aiohttp

from iris_provider_minio.endpoint import alias_url
from iris_provider_minio.errors import NOT_FOUND, ProviderError, RegistryUnusable
from iris_provider_minio.stream import Pace, Signal

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class RegistryAccess:
    """MLflow's address, and user name and password if it wants them; `repr` does not show them."""

    tracking_uri: str
    login: tuple[str, str] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What a request needs besides its content."""
        return {"Authorization": aiohttp.encode_basic_auth(*self.login)} if self.login else {}

    def __repr__(self) -> str:
        return f"RegistryAccess({self.tracking_uri!r})"


class RegistryAlias:
    """Polls one alias of one model; `version` is the last answer, as MLflow's REST API gives it.

    :param access: MLflow's address.
    :param model: the name of the registered model.
    :param alias: the alias.
    :param poll_s: seconds between two requests.
    """

    def __init__(self, access: RegistryAccess, model: str, alias: str, poll_s: float) -> None:
        self._url = alias_url(access.tracking_uri)
        self._model = model
        self._alias = alias
        self._poll_s = poll_s
        self._headers = access.headers
        self.version: dict[str, Any] | None = None

    def identity(self) -> object:
        """What tells this version from another one; None if the alias names none."""
        return self.version and (self.version["version"], self.version.get("creation_timestamp"))

    async def signals(self) -> AsyncGenerator[Signal, None]:
        """Yield signals for ever: `subscribed` if the alias names another version, `down` without an answer.

        Each kind of trouble is logged once, until MLflow answers again.
        """
        pace, failures, said, known = Pace(first_pause_s=self._poll_s), 0, "", object()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)) as session:
            while True:
                try:
                    self.receive(await self._ask(session))
                except (aiohttp.ClientError, OSError, ValueError, KeyError, ProviderError) as error:
                    trouble = str(error) or type(error).__name__
                    if trouble != said:
                        log.warning(
                            "The alias %s of %s: %s. Trying again.", self._alias, self._model, trouble
                        )
                    said, failures = trouble, failures + 1
                    yield Signal("down")
                    await asyncio.sleep(pace.pause(failures))
                    continue
                failures, said = 0, ""
                named = self.identity()
                yield Signal("subscribed" if named != known else "tick")
                known = named
                await asyncio.sleep(self._poll_s)

    def receive(self, version: dict[str, Any] | None) -> None:
        """Take an answer: the version that the alias names, None if it names none."""
        self.version = version

    async def _ask(self, session: aiohttp.ClientSession) -> dict[str, Any] | None:
        query = {"name": self._model, "alias": self._alias}
        async with session.get(self._url, params=query, headers=self._headers) as response:
            if response.status in (401, 403):
                raise RegistryUnusable(
                    f"MLflow refused the login ({response.status}). Check MLFLOW_TRACKING_USERNAME and "
                    "MLFLOW_TRACKING_PASSWORD"
                )
            try:
                answer = await response.json(content_type=None)
                if response.status == 200:
                    return dict(answer["model_version"])
                code = answer.get("error_code", "")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise RegistryUnusable(f"{self._url} answered {response.status}, not as MLflow") from error
            if code in NOT_FOUND:
                return None
            raise RegistryUnusable(f"MLflow answered {response.status} {code}".strip())
