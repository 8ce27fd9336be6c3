"""How right was each model version? Joins labels that arrive later to past predictions, by the table's key.

`table` reads and checks a file of labels, `predictions` reads what was published, `matching` joins the two,
`flow` finds the labels that are owed a record and commits it, `history` logs the performance to MLflow.
"""

from __future__ import annotations

from iris_core.labels.flow import (
    Joined,
    labels_source,
    measure,
    predictions_of,
    preview,
    reconcile_labels,
    told,
    tried,
)
from iris_core.labels.matching import Measured

__all__ = [
    "Joined",
    "Measured",
    "labels_source",
    "measure",
    "predictions_of",
    "preview",
    "reconcile_labels",
    "told",
    "tried",
]
