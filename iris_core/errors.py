"""Every error that Iris raises, under one base class.

A message says what was found, where, what was expected, and what to do.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from iris_provider_minio.errors import ProviderError


class IrisError(ProviderError):
    """Base of all errors that Iris raises on purpose. A watcher logs one and tries again."""


def free_frames(error: BaseException) -> None:
    """Let go of what the functions that an error passed through held: tables of a hundred megabytes, perhaps.

    For an error that is kept while others are still worked on. Its traceback keeps its lines.
    """
    seen: BaseException | None = error
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen = seen.__cause__ or seen.__context__


class ConfigError(IrisError):
    """A variable or `project.json` holds a value that cannot be used. Retrying does not help."""


class StoreError(IrisError):
    """The object store refused or did not answer. Retrying may help."""


class ObjectMissing(StoreError):
    """An object, or one version of it, is not in the store, or no longer."""


class DataRejected(IrisError):
    """A table cannot be used; the message tells a data scientist why, and what to do.

    `evidence` is JSON-able: counts, and for each finding the column, the rows, and what was found and
    expected.
    """

    def __init__(self, message: str, evidence: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.evidence: dict[str, Any] = dict(evidence or {})


class KeyUnreadable(DataRejected):
    """An object cannot be read because of its key; the message says what to do."""


class TryFailed(IrisError):
    """An unforeseen error ended the work on one object. Another run tries again."""


class GivenUp(TryFailed):
    """Unforeseen errors used up all tries at one object: it is `failed` until `iris retry` reopens it."""


class NothingOwed(IrisError):
    """Nothing is left to do; the message says why. Not a failure."""


class DecidedElsewhere(NothingOwed):
    """Another run committed this decision first; its record stands."""


class PromotionRefused(NothingOwed):
    """The gate refused a model; the message gives the reason, the ledger the evidence."""


class ApprovalAwaited(NothingOwed):
    """A model passed the gate and waits for a human; the message says how to answer."""


class RegistryError(IrisError):
    """MLflow refused or did not answer. Retrying may help."""


class RegistryMissing(RegistryError):
    """What was asked of MLflow is not there, or no longer: somebody deleted it."""


class ModelRefused(IrisError):
    """A registered model is not loaded: that could run code from its files. Retrying does not help."""


class ProfileUnusable(IrisError):
    """A stored profile is damaged or has another schema; it is made again."""


class AlertUndelivered(IrisError):
    """A channel did not take an alert. Retrying may help, and delivers only what is still owed."""


class StackError(IrisError):
    """A part of the local stack cannot start or has died; the message quotes its log."""
