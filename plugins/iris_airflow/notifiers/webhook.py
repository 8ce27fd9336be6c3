"""Posts JSON to an HTTP webhook; with the payload `{"text": …}` also to a Slack incoming webhook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    from airflow.sdk import Context

TIMEOUT_S = (4, 10)
"""Seconds to connect, and to answer."""


class WebhookNotifier(BaseNotifier):
    """Posts a payload once, and raises an error unless the answer is 2xx.

    As a callback (`on_failure_callback=WebhookNotifier(…)`) the payload is a template. The URL may be a
    secret: errors name only its host, and redirects are not followed.

    :param url: the URL to post to.
    :param payload: the JSON body.
    :param idempotency_key: sent as the header `Idempotency-Key`; the same for repeated deliveries.
    """

    template_fields: Sequence[str] = ("payload",)

    def __init__(
        self, *, url: str, payload: Mapping[str, Any], idempotency_key: str = "", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.url = url
        self.payload = payload
        self.idempotency_key = idempotency_key

    def notify(self, context: Context) -> None:
        """Post the payload.

        :raises AlertUndelivered: there is no answer, or it is not 2xx.
        """
        import requests

        from iris_core.errors import AlertUndelivered

        host = urlsplit(self.url).hostname
        headers = {"Idempotency-Key": self.idempotency_key} if self.idempotency_key else {}
        try:
            # The body says nothing, may never end, and is left alone (`stream`).
            with requests.post(
                self.url,
                json=dict(self.payload),
                headers=headers,
                timeout=TIMEOUT_S,
                allow_redirects=False,
                stream=True,
            ) as answer:
                status = answer.status_code
        except (requests.RequestException, ValueError) as error:
            raise AlertUndelivered(f"{host} does not answer ({type(error).__name__}).") from None
        if not 200 <= status < 300:
            raise AlertUndelivered(f"{host} answered {status}, expected 2xx.")
