"""What has been decided, and what is still owed? Decisions are typed records, each written once."""

from __future__ import annotations

from iris_core.ledger.identity import KINDS, Identity, IdentityField, Kind, Variant
from iris_core.ledger.journal import JournalEntry
from iris_core.ledger.ledger import Committed, Ledger
from iris_core.ledger.model import ModelRef
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import Actor, Record

__all__ = [
    "KINDS",
    "Actor",
    "Committed",
    "Identity",
    "IdentityField",
    "JournalEntry",
    "Kind",
    "Ledger",
    "ModelRef",
    "Outcome",
    "Record",
    "Variant",
]
