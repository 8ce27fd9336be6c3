"""The configured channels, each of which delivers messages through a notifier."""

from __future__ import annotations

from html import escape
from smtplib import SMTPException
from typing import TYPE_CHECKING

from iris_airflow.notifiers.webhook import WebhookNotifier

if TYPE_CHECKING:
    from airflow.sdk import Context

    from iris_core.monitoring.alerts import Deliver
    from iris_core.monitoring.messages import Message
    from iris_core.settings.variables import Settings

SMTP_CONN_ID = "smtp_default"


def channels(settings: Settings) -> dict[str, Deliver]:
    """The channels that `DRIFT_ALERT_WEBHOOK`, `…_SLACK` and `…_EMAIL` switch on, by name."""
    found: dict[str, Deliver] = {}
    if hook := settings.drift_alert_webhook:
        found["webhook"] = lambda message: _post(hook.get_secret_value(), message)
    if slack := settings.drift_alert_slack:
        found["slack"] = lambda message: _slack(slack.get_secret_value(), message)
    if addresses := settings.drift_alert_email:
        found["email"] = lambda message: _mail(addresses.split(","), message)
    return found


def _post(url: str, message: Message) -> None:
    payload = {**message.model_dump(mode="json"), "title": message.title}
    WebhookNotifier(url=url, payload=payload, idempotency_key=message.id).notify(_context())


def _slack(url: str, message: Message) -> None:
    WebhookNotifier(url=url, payload={"text": escape(message.text, quote=False)}).notify(_context())


def _mail(addresses: list[str], message: Message) -> None:
    """Send a message with Airflow's own notifier, over the connection `smtp_default`."""
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    from airflow.sdk.exceptions import AirflowException

    from iris_core.errors import AlertUndelivered

    notifier = SmtpNotifier(
        to=addresses,
        subject=message.title,
        html_content="<br>\n".join(escape(line) for line in message.text.splitlines()),
        custom_headers={"Message-ID": f"<{message.id}@iris>"},
        smtp_conn_id=SMTP_CONN_ID,
    )
    try:
        notifier.notify(_context())
    except (AirflowException, SMTPException, OSError, ValueError) as error:
        raise AlertUndelivered(f"Connection {SMTP_CONN_ID}: {type(error).__name__}: {error}") from error


def _context() -> Context:
    """The running task's context; an empty one in a deadline's callback, which has no task."""
    from airflow.sdk import Context, get_current_context

    try:
        return get_current_context()
    except RuntimeError:
        return Context()
