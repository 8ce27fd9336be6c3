"""Errors of the provider, under one base class.

A message says what was found, where, what was expected, and what to do.
"""

from __future__ import annotations

NOT_FOUND = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "INVALID_STATE")
"""MLflow's codes for something that does not exist: an alias without a version is an invalid parameter, a
deleted run an invalid state."""


class ProviderError(Exception):
    """Base of all errors that the provider, or what is built on it, raises on purpose.

    A watcher logs one and tries again.
    """


class ConnectionUnusable(ProviderError):
    """An Airflow connection is missing or lacks a field. Retrying does not help."""


class StoreUnusable(ProviderError):
    """The object store refused or did not answer. Retrying may help."""


class BucketMissing(StoreUnusable):
    """The object store has no such bucket. It may be created later."""


class RegistryUnusable(ProviderError):
    """MLflow refused or did not answer. Retrying may help."""
