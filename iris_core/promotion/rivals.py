"""Who a challenger is compared with: the champion, and the best version before it."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from iris_core.errors import DataRejected, ModelRefused, ObjectMissing
from iris_core.ledger import ModelRef, Outcome
from iris_core.ledger.records.gate import GateEvidence, OnSuspect
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models.holdout import Split, drawn_again
from iris_core.models.loading import loaded
from iris_core.models.registry import staged
from iris_core.promotion.columns import typical_of
from iris_core.promotion.measurement import ChampionAnswers
from iris_core.promotion.scores import answers_of
from iris_core.promotion.suspicion import leaks_of, surprise_of, tables_of
from iris_core.settings.project import Metric, metric_label

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

log = logging.getLogger(__name__)

LOOKED_THROUGH = 200
"""So many of the newest promotions are looked through for the best version."""
LOADED_AT_MOST = 3
"""So many of the best versions are tried until one can still be loaded."""


def drawn(workspace: Workspace, training: TrainedRecord) -> Split:
    """What a model was trained on and what was kept back, drawn again from the object version.

    :raises ObjectMissing: this version is gone.
    """
    return drawn_again(workspace.store, training, workspace.settings.project.table)[1]


def champion_answers(workspace: Workspace, challenger: ModelRef, parts: Split) -> ChampionAnswers | str:
    """The staged version's answers to the holdout, or why there are none.

    :param parts: the challenger's table.
    """
    model = staged(workspace.settings)
    if model is None:
        return f"no version of {challenger.name} is staged yet"
    if model.version == challenger.version:
        return "it is already staged"
    found = _tried(workspace, model, parts, is_champion=True)
    return f"version {model.version} is staged but {found}" if isinstance(found, str) else found


def anchor_answers(
    workspace: Workspace, challenger: ModelRef, champion: int, parts: Split
) -> ChampionAnswers | None:
    """The answers of the best version before the champion that can still be loaded.

    :param champion: the version that is compared anyway.
    :param parts: the challenger's table.
    """
    others = [ref for ref in _best_first(workspace) if ref.version not in (champion, challenger.version)]
    for model in others[:LOADED_AT_MOST]:
        found = _tried(workspace, model, parts, is_champion=False)
        if not isinstance(found, str):
            return found
    return None


def _best_first(workspace: Workspace) -> list[ModelRef]:
    """Promoted versions by the lower end of their score's interval: a high score of few rows may be luck."""
    metric = metric_label(workspace.settings.project.metric)
    promoted = workspace.ledger.recent_of(VerdictRecord, outcome=Outcome.PROMOTED)
    known = {
        record.inputs.version: (record.evidence.judged[1].low, record.model)
        for record in islice(promoted, LOOKED_THROUGH)
        if isinstance(record.evidence, GateEvidence) and record.evidence.metric == metric
    }
    return [ref for _, ref in sorted(known.values(), key=lambda one: (-one[0], one[1].version))]


def _tried(workspace: Workspace, model: ModelRef, parts: Split, is_champion: bool) -> ChampionAnswers | str:
    """A version's answers, or why it has none."""
    own, settings = _own_table(workspace, model), workspace.settings
    try:
        with loaded(settings, model) as found:
            on_suspect = settings.promotion_on_suspect if is_champion else None
            return answers_to(model, found.estimator, parts, own, settings.project.metric, on_suspect)
    except ModelRefused as error:
        log.warning("Version %s is not loaded: %s", model.version, error)
        return f"not loaded: {error}"
    except (ValueError, TypeError, AttributeError) as error:
        log.warning("Version %s cannot answer this holdout: %s", model.version, error)
        return f"cannot answer these rows ({str(error)[:200]})"


def answers_to(
    model: ModelRef,
    estimator: ClassifierMixin,
    parts: Split,
    own: Split | None,
    metric: Metric,
    on_suspect: OnSuspect | None,
) -> ChampionAnswers:
    """What an earlier version says of a challenger's table.

    :param model: names it.
    :param parts: the challenger's table.
    :param own: what it was trained on, and its holdout; None where that is not known.
    :param on_suspect: what becomes of a suspect table; None where nobody asks whether it is.
    """
    holdout = parts.holdout
    named = answers_of(estimator, holdout.features, holdout.labels.to_numpy(str), metric)
    if own is None:
        return ChampionAnswers(model.version, model.run_id, named, None)
    seen = np.isin(holdout.row_keys(), own.learned.row_keys())
    answers = ChampionAnswers(model.version, model.run_id, named, seen, typical_of(own.learned))
    if on_suspect is None:
        return answers
    tables = tables_of(own, parts)
    surprise = surprise_of(tables, estimator, on_suspect)
    return replace(answers, surprise=surprise, leaks=leaks_of(tables, on_suspect))


def _own_table(workspace: Workspace, model: ModelRef) -> Split | None:
    """What a version was trained on, and its holdout; None where that is not known any more."""
    training = workspace.ledger.find(TrainedRecord, model.training)
    if training is None:
        return None
    try:
        return drawn(workspace, training)
    except (ObjectMissing, DataRejected):
        return None
