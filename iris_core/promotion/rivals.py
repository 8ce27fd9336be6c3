"""Finds the versions that a challenger is compared with: the champion, and the best earlier version."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice, takewhile
from typing import TYPE_CHECKING

import numpy as np

from iris_core.errors import DataRejected, ModelRefused, ObjectMissing, RegistryMissing
from iris_core.ledger import ModelRef, Outcome
from iris_core.ledger.identity import VERDICT
from iris_core.ledger.packs import Pack
from iris_core.ledger.records.gate import GateEvidence, Slide
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.suspect import OnSuspect
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.models.holdout import Split, drawn_again
from iris_core.models.loading import loaded
from iris_core.models.registry import staged, versions_of
from iris_core.promotion.answers import answers_of
from iris_core.promotion.columns import typical_of
from iris_core.promotion.measurement import ChampionAnswers
from iris_core.promotion.slide import TableAnswers, best_of
from iris_core.promotion.suspicion import Suspicion, Tables, tables_of
from iris_core.settings.project import Metric, TableSchema
from iris_core.settings.variables import Settings

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

log = logging.getLogger(__name__)

LOOKED_THROUGH = 200
"""How many of the newest verdicts are searched for the best version, and for what was lost since."""
LOADED_AT_MOST = 3
"""How many of the best versions are tried until one can still be loaded."""


def drawn(workspace: Workspace, training: TrainedRecord) -> Split:
    """A model's training rows and holdout, drawn again from the object version.

    :raises ObjectMissing: this version is gone.
    """
    return drawn_again(workspace.store, training, workspace.settings.project.table)[1]


def champion_answers(workspace: Workspace, challenger: ModelRef, parts: Split) -> ChampionAnswers | str:
    """The staged version's answers to the holdout, or the reason why there are none.

    :param workspace: of the deployment.
    :param challenger: the model that is judged.
    :param parts: the challenger's table.
    """
    model = staged(workspace.settings)
    if model is None:
        return f"no version of {challenger.name} was staged yet"
    if model.version == challenger.version:
        return "it is already staged"
    found = _tried(workspace, model, challenger, parts, is_champion=True)
    return f"version {model.version} is staged but {found}" if isinstance(found, str) else found


def anchor_answers(
    workspace: Workspace, challenger: ModelRef, champion: ChampionAnswers, parts: Split
) -> ChampionAnswers | None:
    """The answers of the best version that can still be loaded; None if that is the champion.

    :param workspace: of the deployment.
    :param challenger: the model that is judged.
    :param champion: the staged version's answers.
    :param parts: the challenger's table.
    """
    verdicts = [each for each in _verdicts(workspace) if each[0].run_id != challenger.run_id]
    there = _there(workspace.settings, challenger.name)
    promoted = [
        each
        for each in reversed(verdicts)
        if each[1] == Outcome.PROMOTED and (each[0].version, each[0].run_id) in there
    ]
    for model in islice(_best_first(promoted), LOADED_AT_MOST):
        if model.run_id == champion.run_id:
            return None
        found = _tried(workspace, model, challenger, parts, is_champion=False)
        if not isinstance(found, str):
            return replace(found, slides=_slides(verdicts, model))
    return None


def _slides(verdicts: Iterable[_Judged], model: ModelRef) -> tuple[Slide, ...]:
    """How the champions since a version compared with it, newest first.

    :param verdicts: newest first. Those before its own are left out: they may be on another version of the
        same number, in a registry that was emptied since.
    :param model: the version.
    """
    since = takewhile(lambda each: each[0].run_id != model.run_id, verdicts)
    found = (evidence.slide for _, _, evidence in since)
    return tuple(each for each in found if each and each.version == model.version)


def _there(settings: Settings, name: str) -> set[tuple[int, str]]:
    """Numbers and runs of the versions that a model has: a new registry counts from 1 again."""
    with tracking.asking("Listing the versions", settings):
        found = versions_of(tracking.client(settings), name)
    return {(int(each.version), each.run_id or "") for each in found}


_Judged = tuple[ModelRef, str, GateEvidence]


def _verdicts(workspace: Workspace) -> list[_Judged]:
    """Verdicts in the declared metric, newest first."""
    metric = workspace.settings.project.metric
    entries = (each for each in workspace.ledger.journal("promotion") if each.identity.variant == VERDICT)
    return [
        (each.model, each.outcome, each.evidence)
        for each in Pack.of(workspace, "verdicts").records(islice(entries, LOOKED_THROUGH))
        if isinstance(each, VerdictRecord)
        and isinstance(each.evidence, GateEvidence)
        and each.evidence.is_by(metric)
    ]


def _best_first(promoted: list[_Judged]) -> Iterator[ModelRef]:
    """The best of the promoted models, the best of the others, and so on.

    :param promoted: oldest first.
    """
    left = list(promoted)
    while left:
        best = best_of([(model.version, evidence) for model, _, evidence in left])
        yield next(model for model, _, _ in left if model.version == best)
        left = [each for each in left if each[0].version != best]


def _tried(
    workspace: Workspace, model: ModelRef, challenger: ModelRef, parts: Split, is_champion: bool
) -> ChampionAnswers | str:
    """A version's answers, or the reason why it has none.

    :param model: the version.
    :param challenger: the model that is judged.
    :param parts: the challenger's table.
    :param is_champion: whether the version is staged.
    """
    settings = workspace.settings
    try:
        with loaded(settings, workspace.ledger, model) as found:
            table = found.table(settings.project.table)
            own = _own_table(workspace, model, table)
            parts = _in_codes_of(workspace, challenger, parts, table)
            on_suspect = settings.promotion_on_suspect if is_champion else None
            return answers_to(model, found.estimator, parts, own, settings.project.metric, on_suspect)
    except (ModelRefused, RegistryMissing) as error:
        log.warning("Version %s is not loaded: %s", model.version, error)
        return f"not loaded: {error}"
    except (DataRejected, ObjectMissing, ValueError, TypeError, AttributeError) as error:
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
    """An earlier version's answers to a challenger's table.

    :param model: names the version.
    :param estimator: the version's fitted model.
    :param parts: the challenger's table.
    :param own: the version's own table; None if it is not known.
    :param metric: the declared one.
    :param on_suspect: what the deployment does with a suspect table; None to leave that question out.
    """
    holdout = parts.holdout
    named = answers_of(estimator, holdout.features, holdout.labels.to_numpy(str), metric)
    if own is None:
        return ChampionAnswers(model.version, model.run_id, named, None)
    seen = np.isin(holdout.row_keys(), own.learned.row_keys())
    tables = tables_of(own, parts)
    answers = ChampionAnswers(
        model.version,
        model.run_id,
        named,
        seen,
        typical_of(own.learned),
        on_table=_answers_to_table(estimator, tables, metric),
    )
    if on_suspect is None:
        return answers
    suspicion = Suspicion(tables, estimator, on_suspect)
    return replace(answers, surprise=suspicion.surprise(), leaks=suspicion.leaks())


def _answers_to_table(estimator: ClassifierMixin, tables: Tables, metric: Metric) -> TableAnswers:
    whole = tables.new
    answers = answers_of(estimator, whole.features, whole.labels.to_numpy(str), metric)
    return TableAnswers(whole, answers, tables.is_seen)


def _in_codes_of(workspace: Workspace, challenger: ModelRef, parts: Split, table: TableSchema) -> Split:
    """A challenger's table in the codes of an earlier version, which may have learnt other levels.

    :param challenger: the model that is judged.
    :param parts: its table.
    :param table: the schema with the levels of the earlier version.
    """
    if parts.holdout.levels == table.levels:
        return parts
    training = workspace.ledger.find(TrainedRecord, challenger.training)
    return drawn_again(workspace.store, training, table)[1] if training else parts


def _own_table(workspace: Workspace, model: ModelRef, table: TableSchema) -> Split | None:
    """A version's training rows and holdout; None if they are not known any more."""
    training = workspace.ledger.find(TrainedRecord, model.training)
    if training is None:
        return None
    try:
        return drawn_again(workspace.store, training, table)[1]
    except (ObjectMissing, DataRejected):
        return None
