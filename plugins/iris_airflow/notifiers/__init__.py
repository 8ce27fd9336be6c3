"""Notifiers for alerts: an HTTP webhook, a Slack incoming webhook, e-mail."""
