"""Lists the labels of a suspect table that are probably wrong, for the human who is asked about it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from iris_core.ledger.records.suspect import Doubt, Doubts
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models.holdout import Part, Split
from iris_core.promotion.floor import bounded, folds_of, out_of_fold
from iris_core.settings.places import QUARANTINE
from iris_core.tables import StoredInput, Wanted, read

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.base import ClassifierMixin

LISTED = 50


def listed_doubts(
    workspace: Workspace, training: TrainedRecord, parts: Split, model: ClassifierMixin
) -> Doubts | None:
    """Find the labels that are probably wrong, and write the worst to a CSV in the quarantine.

    :param training: names the table.
    :param parts: the table's rows, each with its place as index.
    :param model: the challenger; clones of it are fitted.
    """
    config, settings = training.inputs.config, workspace.settings
    numbers = _row_numbers(workspace, training)
    whole = bounded(parts.learned.followed_by(parts.holdout), config.seed)
    found = doubts_about(whole, model, numbers, config.seed)
    if found is None or not found.count:
        return found
    version = training.about
    key = f"{QUARANTINE}{settings.names.section}/{version.digest}/{version.file_name}.labels.csv"
    kept = workspace.store.put(settings.bucket, key, _as_csv(found), "text/csv")
    return found.model_copy(update={"uri": kept.uri})


def _row_numbers(workspace: Workspace, training: TrainedRecord) -> NDArray[Any]:
    """The number of each row as a spreadsheet shows it."""
    known = workspace.settings.project.table
    wanted = Wanted(features=known.feature_names, kinds=known.kinds)
    table = read(StoredInput(workspace.store, training.about), wanted)
    return np.concatenate(list(table.each(lambda batch: batch.numbers)))


def _as_csv(doubts: Doubts) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Doubt.model_fields))
    writer.writeheader()
    writer.writerows(each.model_dump() for each in doubts.worst)
    return text.getvalue().encode()


def doubts_about(part: Part, model: ClassifierMixin, numbers: NDArray[Any], seed: int) -> Doubts | None:
    """The labels of a table that are probably wrong, by confident learning.

    Compares out-of-fold probabilities with the mean certainty of each class: Northcutt, Jiang, Chuang,
    Journal of Artificial Intelligence Research 70 (2021) 1373.

    :param part: the whole table.
    :param model: clones of it are cross-validated.
    :param numbers: of all rows by their place (the index), as a spreadsheet shows them.
    :param seed: of the folds.
    :returns: None where the table or the model gives no out-of-fold probabilities.
    """
    from cleanlab.filter import find_label_issues

    labels = part.labels.to_numpy(str)
    folds = folds_of(labels, seed)
    if folds is None or not hasattr(model, "predict_proba"):
        return None
    names, codes = np.unique(labels, return_inverse=True)
    chances = out_of_fold(model, part, folds, "predict_proba")
    worst = find_label_issues(codes, chances, return_indices_ranked_by="self_confidence", n_jobs=1)
    rows = numbers[part.features.index.to_numpy()]
    listed = tuple(_doubt(int(rows[n]), names, codes[n], chances[n]) for n in worst[:LISTED])
    return Doubts(count=len(worst), worst=listed)


def _doubt(number: int, names: NDArray[np.str_], code: int, chances: NDArray[np.float64]) -> Doubt:
    likely = int(chances.argmax())
    return Doubt(
        row=number,
        label=str(names[code]),
        label_probability=round(float(chances[code]), 4),
        likely=str(names[likely]),
        likely_probability=round(float(chances[likely]), 4),
    )
