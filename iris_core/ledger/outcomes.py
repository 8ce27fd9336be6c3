"""The outcomes of decisions. A drift verdict's outcome is its severity (`drift.thresholds`)."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of a decision; docs/ledger.md explains each."""

    TRAINED = "trained"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    REOPENED = "reopened"
    PROMOTED = "promoted"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"
    ASKED = "asked"
    SCORED = "scored"
    MEASURED = "measured"
    UNMATCHED = "unmatched"
    ALERTED = "alerted"
    REQUESTED = "requested"
    STOPPED = "stopped"
    LATE = "late"
