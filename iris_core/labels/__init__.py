"""Labels that come later, joined to past predictions by the table's key: how each model version did.

`table` reads and checks a file of labels, `matching` joins it to published predictions, `flow` finds what is
owed and records it once, `verdict` judges performance drift, `history` shows it in MLflow.
"""

from __future__ import annotations

from iris_core.labels.flow import Joined, labels_source, measure, preview, reconcile_labels, told, tried
from iris_core.labels.matching import Measured

__all__ = [
    "Joined",
    "Measured",
    "labels_source",
    "measure",
    "preview",
    "reconcile_labels",
    "told",
    "tried",
]
