"""What has been decided, and what is still owed? Decisions as records, each written once."""

from __future__ import annotations

from iris_core.ledger.ledger import (
    KINDS,
    SUPERSEDED,
    UNCHANGED,
    Actor,
    Committed,
    Identity,
    Kind,
    Ledger,
    Record,
)

__all__ = [
    "KINDS",
    "SUPERSEDED",
    "UNCHANGED",
    "Actor",
    "Committed",
    "Identity",
    "Kind",
    "Ledger",
    "Record",
]
