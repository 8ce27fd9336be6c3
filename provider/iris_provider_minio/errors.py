"""Errors of the provider, under one base class.

A message says what was found, where, what was expected, and what to do.
"""

from __future__ import annotations


class ProviderError(Exception):
    """Base of all errors that the provider, or what is built on it, raises on purpose.

    A watcher logs one and tries again.
    """


class ConnectionUnusable(ProviderError):
    """An Airflow connection is missing or lacks a field. Retrying does not help."""


class StoreUnusable(ProviderError):
    """The object store refused or did not answer. Retrying may help."""


class RegistryUnusable(ProviderError):
    """MLflow refused or did not answer. Retrying may help."""
