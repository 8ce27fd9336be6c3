"""The configured channels of drift alerts, each a notifier given an alert."""

from __future__ import annotations

from html import escape
from smtplib import SMTPException
from typing import TYPE_CHECKING

from iris_airflow.notifiers.webhook import WebhookNotifier

if TYPE_CHECKING:
    from airflow.sdk import Context

    from iris_core.monitoring.alerts import Alert, Deliver
    from iris_core.settings.variables import Settings

SMTP_CONN_ID = "smtp_default"


def channels(settings: Settings) -> dict[str, Deliver]:
    """By name, those that `DRIFT_ALERT_WEBHOOK`, `…_SLACK` and `…_EMAIL` switch on; none by default."""
    found: dict[str, Deliver] = {}
    if hook := settings.drift_alert_webhook:
        found["webhook"] = lambda alert: _post(hook.get_secret_value(), alert)
    if slack := settings.drift_alert_slack:
        found["slack"] = lambda alert: _slack(slack.get_secret_value(), alert)
    if addresses := settings.drift_alert_email:
        found["email"] = lambda alert: _mail(addresses.split(","), alert)
    return found


def _post(url: str, alert: Alert) -> None:
    payload = {**alert.model_dump(mode="json"), "title": alert.title}
    WebhookNotifier(url=url, payload=payload, idempotency_key=alert.id).notify(_context())


def _slack(url: str, alert: Alert) -> None:
    WebhookNotifier(url=url, payload={"text": escape(alert.text, quote=False)}).notify(_context())


def _mail(addresses: list[str], alert: Alert) -> None:
    """By Airflow's own notifier, over the connection `smtp_default`."""
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    from airflow.sdk.exceptions import AirflowException

    from iris_core.errors import AlertUndelivered

    notifier = SmtpNotifier(
        to=addresses,
        subject=alert.title,
        html_content="<br>\n".join(escape(line) for line in alert.text.splitlines()),
        custom_headers={"Message-ID": f"<{alert.id}@iris>"},
        smtp_conn_id=SMTP_CONN_ID,
    )
    try:
        notifier.notify(_context())
    except (AirflowException, SMTPException, OSError, ValueError) as error:
        raise AlertUndelivered(f"Connection {SMTP_CONN_ID}: {type(error).__name__}: {error}") from error


def _context() -> Context:
    from airflow.sdk import get_current_context

    return get_current_context()
