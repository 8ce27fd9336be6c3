"""Notifiers, for callbacks of tasks and DAGs."""
