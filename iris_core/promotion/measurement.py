"""Computes the gate's evidence from answers on a holdout. Reads and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from iris_core.ledger.records.gate import Champion, ClassSlice, GateEvidence, Holdout, Interval, Slide
from iris_core.ledger.records.suspect import Leaks, Surprise
from iris_core.models.holdout import Split
from iris_core.models.intervals import LEVEL, wilson_interval
from iris_core.promotion.answers import Answers, answers_of
from iris_core.promotion.columns import columns_of
from iris_core.promotion.floor import FLOOR_LIMIT, floor_of, learnable_of
from iris_core.promotion.paired import detectable_loss, score_interval
from iris_core.promotion.scores import Paired, compared, pairs_of, score_and_interval
from iris_core.promotion.slide import TableAnswers, slide_of
from iris_core.settings.project import CostMatrix, Metric, TableSchema, metric_label

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.base import ClassifierMixin

    Flags = NDArray[np.bool_]

LEAST_UNSEEN = 15
"""If the champion was not trained on fewer rows than this, all rows are compared, and the evidence says
so."""


@dataclass(frozen=True)
class Limits:
    """What a deployment asks of a model: least score and tolerated loss, in [0, 1], of the declared
    metric."""

    accuracy_threshold: float
    margin: float
    metric: Metric = "accuracy"


@dataclass(frozen=True)
class ChampionAnswers:
    """An earlier version's answers to the challenger's holdout: the champion's, or the best earlier
    version's.

    :param seen: the holdout rows that it was trained on; None if its training rows are not known.
    :param typical: ranges of the columns' means by its training rows (`typical_of`).
    :param surprise: how right it is on the whole new table, or why that is not known.
    :param leaks: features that alone name the class, and did not in its own table.
    :param on_table: its answers to the whole new table; None if its training rows are not known.
    :param slides: of the best earlier version: how the champions since compared with it, newest first.
    """

    version: int
    run_id: str
    answers: Answers
    seen: Flags | None
    typical: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    surprise: Surprise | str = "what the champion was trained on is not known"
    leaks: Leaks | None = None
    on_table: TableAnswers | None = None
    slides: tuple[Slide, ...] = ()


def measure_model(
    table: TableSchema,
    parts: Split,
    holdout: Holdout,
    model: ClassifierMixin,
    limits: Limits,
    champion: ChampionAnswers | None = None,
    no_champion: str = "this is the first model",
    anchor: ChampionAnswers | None = None,
) -> GateEvidence:
    """Measure a challenger: all the numbers that the gate judges by.

    :param table: names features, target and classes.
    :param parts: the challenger's training rows and holdout.
    :param holdout: how the holdout was drawn.
    :param model: the fitted challenger; clones of it are fitted to see whether the labels can be learned.
    :param limits: what the deployment asks of a model.
    :param champion: the champion's answers, if there is one.
    :param no_champion: the reason why there is none.
    :param anchor: the answers of the best earlier version, if that is not the champion.
    """
    labels, metric = parts.holdout.labels.to_numpy(str), limits.metric
    ours = answers_of(model, parts.holdout.features, labels, metric)
    right = ours.named == labels
    surprise = champion.surprise if champion else ""
    return GateEvidence(
        accuracy=float(right.mean()),
        accuracy_interval=wilson_interval(int(right.sum()), len(right), LEVEL),
        threshold=limits.accuracy_threshold,
        holdout_rows=len(right),
        holdout=holdout,
        floor=floor_of(metric, ours, labels, parts.learned.labels.to_numpy(str), FLOOR_LIMIT),
        learnable=learnable_of(metric, parts.learned, model, holdout.seed),
        classes=tuple(_slices(table, parts, right, labels, champion)),
        columns=tuple(columns_of(table, parts, champion.typical if champion else {})),
        champion=_against(champion, ours, labels, limits) if champion else None,
        no_champion="" if champion else no_champion,
        surprise=None if isinstance(surprise, str) else surprise,
        no_surprise=surprise if isinstance(surprise, str) else "",
        leaks=champion.leaks if champion else None,
        anchor=_against(anchor, ours, labels, limits) if anchor else None,
        slide=_slide(champion, anchor, limits) if champion and anchor else None,
        **_in_metric(metric, labels, ours),
    )


def _in_metric(metric: Metric, labels: NDArray[np.str_], answers: Answers) -> dict[str, Any]:
    """Fields of the evidence for another metric than accuracy."""
    if metric == "accuracy":
        return {}
    score, interval = score_and_interval(metric, labels, answers, LEVEL)
    costs = metric.cost if isinstance(metric, CostMatrix) else {}
    return {"metric": metric_label(metric), "score": score, "score_interval": interval, "costs": costs}


def _slide(champion: ChampionAnswers, anchor: ChampionAnswers, limits: Limits) -> Slide | None:
    ours, best = (champion.version, champion.on_table), (anchor.version, anchor.on_table)
    return slide_of(limits.metric, limits.margin, ours, best, anchor.slides)


def _compared_rows(champion: ChampionAnswers) -> Flags:
    everything = np.ones(len(champion.answers.named), bool)
    if champion.seen is None or int((~champion.seen).sum()) < LEAST_UNSEEN:
        return everything
    return ~champion.seen


def _against(
    champion: ChampionAnswers, answers: Answers, labels: NDArray[np.str_], limits: Limits
) -> Champion:
    """Compare a challenger with an earlier version, on the rows that the earlier one was not trained on.

    :param champion: the earlier version's answers.
    :param answers: the challenger's.
    :param labels: the true classes.
    :param limits: metric and margin.
    """
    rows, metric = _compared_rows(champion), limits.metric
    ours, theirs, truth = answers.kept(rows), champion.answers.kept(rows), labels[rows]
    right, their_right = ours.named == truth, theirs.named == truth
    found = compared(metric, truth, ours, theirs, LEVEL)
    in_metric = {} if metric == "accuracy" else {"score": found.second, "challenger_score": found.first}
    return Champion(
        version=champion.version,
        run_id=champion.run_id,
        accuracy=float(their_right.mean()),
        challenger_accuracy=float(right.mean()),
        pairs=pairs_of(right, their_right),
        difference=found.difference,
        margin=limits.margin,
        rows_seen=None if champion.seen is None else int(champion.seen.sum()),
        compared_on="all rows" if rows.all() else "unseen rows",
        detectable_loss=_detectable(found, len(truth), limits),
        **in_metric,
    )


def _detectable(found: Paired, rows: int, limits: Limits) -> float:
    """The smallest loss that would show; for other metrics than accuracy, by the width of this interval."""
    if limits.metric == "accuracy":
        return detectable_loss(rows, LEVEL, limits.margin)
    width = found.difference.high - found.difference.low
    return min(1.0, limits.margin + width / 2)


def _slices(
    table: TableSchema,
    parts: Split,
    right: Flags,
    labels: NDArray[np.str_],
    champion: ChampionAnswers | None,
) -> Iterator[ClassSlice]:
    learned = parts.learned.labels.to_numpy(str)
    level = 1 - (1 - LEVEL) / len(table.classes)
    for name in table.classes:
        of_class = labels == name
        theirs, difference = _recalls(champion, of_class, right, labels, level)
        yield ClassSlice(
            name=name,
            learned_rows=int((learned == name).sum()),
            rows=int(of_class.sum()),
            recall=float(right[of_class].mean()) if of_class.any() else None,
            champion_recall=theirs,
            difference=difference,
        )


def _recalls(
    champion: ChampionAnswers | None,
    of_class: Flags,
    right: Flags,
    labels: NDArray[np.str_],
    level: float,
) -> tuple[float | None, Interval | None]:
    """The champion's recall of a class, and the interval of the difference to it.

    :param champion: the champion's answers, if there is one.
    :param of_class: rows of the class.
    :param right: rows that the challenger answered right.
    :param labels: the true classes.
    :param level: of the interval.
    """
    if champion is None:
        return None, None
    rows = of_class & _compared_rows(champion)
    if not rows.any():
        return None, None
    theirs = (champion.answers.named == labels)[rows]
    difference = score_interval(pairs_of(right[rows], theirs), level)
    return float(theirs.mean()), difference
