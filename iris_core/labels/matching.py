"""Joins labels to published predictions, streamed, and counts the right answers of each model version.

Every label counts once for each model version. If one version predicted a key several times (the table was
uploaded again), the newest scoring counts, and within a table the first row. Memory is bounded by the labels
of one pass and the rows of one join, whatever the number of predictions.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from iris_core.errors import DataRejected, ObjectMissing
from iris_core.labels.predictions import Predictions, Published, WithoutKey, probabilities
from iris_core.labels.table import KEY, LABEL, Share, check_share, shares, survey
from iris_core.ledger import ModelRef
from iris_core.ledger.records.performance import Certainty, LabelEvidence, ModelPerformance
from iris_core.promotion.answers import LEAST_PROBABILITY
from iris_core.scoring.counts import UnknownLabels, quality
from iris_core.scoring.output import PREDICTION
from iris_core.settings.project import TableSchema
from iris_core.tables import Input

log = logging.getLogger(__name__)

PLACE = "place"
LIKE = "like"
IDS_COMPARED, LONGEST_ID = 20_000, 100
"""So many ids of either side, of so many characters, are searched for such as are written otherwise."""
ALIKE_SHOWN = 3


class Measured(LabelEvidence):
    """A file of labels joined to predictions; `scorings` are the paths of those that match a label.

    `alike` are some unmatched ids of labels, each with a predicted one that is only written otherwise.
    """

    unknown_labels: UnknownLabels = UnknownLabels()
    scorings: tuple[str, ...]
    alike: tuple[tuple[str, str], ...] = ()

    @property
    def evidence(self) -> LabelEvidence:
        """The evidence for the ledger's record."""
        return LabelEvidence(**{name: getattr(self, name) for name in LabelEvidence.model_fields})


@dataclass
class _Certainty:
    """Logarithms of the probabilities that labels were given: how many, their sum, that of their squares."""

    rows: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, logarithms: pl.Series) -> None:
        self.rows += len(logarithms)
        self.total += float(logarithms.sum())
        self.squares += float((logarithms**2).sum())

    @property
    def told(self) -> Certainty | None:
        if self.rows < 2:
            return None
        mean = self.total / self.rows
        variance = max(0.0, self.squares - self.rows * mean**2) / (self.rows - 1)
        return Certainty(rows=self.rows, mean=mean, std=sqrt(variance))


@dataclass
class _Answers:
    model: ModelRef
    repeated: int = 0
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    certainty: _Certainty = field(default_factory=_Certainty)

    def summed(self) -> ModelPerformance:
        agreement: dict[str, dict[str, int]] = {}
        for (label, prediction), count in sorted(self.pairs.items()):
            agreement.setdefault(label, {})[prediction] = count
        found = quality(agreement)
        assert found is not None
        return ModelPerformance(
            model=self.model,
            joined=found.labelled,
            repeated=self.repeated,
            accuracy=found.accuracy,
            agreement=agreement,
            per_class=found.classes,
            certainty=self.certainty.told,
        )


@dataclass
class _Matching:
    predictions: Predictions
    answers: dict[str, _Answers] = field(default_factory=dict)
    scorings: dict[str, None] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    without_key: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    unmatched: int = 0
    alike: dict[str, str] = field(default_factory=dict)

    def match(self, share: Share, scored: Iterable[Published]) -> None:
        """Join one share of the labels to all predictions, given with the newest scoring first."""
        labels = share.frame.with_row_index(PLACE)
        taken: dict[str, NDArray[np.bool_]] = {}
        predicted = pl.Series(KEY, dtype=pl.String)
        for one, frames in self.predictions.tables(scored):
            mask = taken.setdefault(one.model.variant, np.zeros(labels.height, np.bool_))
            for frame in self._readable(one, frames):
                predicted = predicted.append(_short(frame[KEY], IDS_COMPARED - len(predicted)))
                self._take(one, frame.join(labels, on=KEY, how="inner", maintain_order="left"), mask)
        seen = np.logical_or.reduce(list(taken.values())) if taken else np.zeros(labels.height, np.bool_)
        self.unmatched += int((~seen).sum())
        if len(self.alike) < ALIKE_SHOWN:
            self.alike |= _alike(_short(labels[KEY].filter(pl.Series(~seen)), IDS_COMPARED), predicted)

    def _readable(self, one: Published, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The frames of one scoring's predictions, as far as they can be read."""
        self.tables.add(one.scoring)
        try:
            yield from frames
        except WithoutKey:
            self.without_key.add(one.scoring)
        except (ObjectMissing, DataRejected) as error:
            log.warning("Predictions are passed over: %s", error)
            self.gone.add(one.scoring)

    def _take(self, one: Published, joined: pl.DataFrame, mask: NDArray[np.bool_]) -> None:
        if not joined.height:
            return
        answers = self.answers.setdefault(one.model.variant, _Answers(one.model))
        self.scorings[one.scoring] = None
        first = joined.unique(PLACE, keep="first", maintain_order=True)
        is_new = ~mask[first[PLACE].to_numpy()]
        fresh = first.filter(pl.Series(is_new))
        mask[fresh[PLACE].to_numpy()] = True
        answers.repeated += joined.height - fresh.height
        for label, prediction, count in fresh.group_by(LABEL, PREDICTION).len().iter_rows():
            answers.pairs[label, prediction] += count
        if (given := _given_to_label(fresh, self.predictions.table)) is not None:
            answers.certainty.add(given)


def _given_to_label(rows: pl.DataFrame, table: TableSchema) -> pl.Series | None:
    """The logarithm of the probability that each row's label was given; None without probabilities."""
    columns = probabilities(table)
    if not {*columns.values()} <= {*rows.columns}:
        return None
    given = pl.coalesce(pl.when(pl.col(LABEL) == name).then(column) for name, column in columns.items())
    return rows.select(given.clip(LEAST_PROBABILITY, 1.0).log()).to_series().drop_nulls()


def _short(ids: pl.Series, most: int) -> pl.Series:
    """The first ids that are short enough to be compared and shown, as a copy of their own."""
    some = ids.head(most)
    return pl.Series(KEY, some.filter(some.str.len_bytes() <= LONGEST_ID).to_list(), pl.String)


def _alike(labels: pl.Series, predicted: pl.Series) -> dict[str, str]:
    """Ids of labels, each with a predicted one that differs by `.0`, leading zeros, case or Unicode form."""
    bare = pl.col(KEY).str.normalize("NFKC").str.to_lowercase().str.strip_chars()
    like = bare.str.replace(r"\.0+$", "").str.strip_chars_start("0").alias(LIKE)
    found = (
        labels.to_frame()
        .select(KEY, like)
        .join(
            predicted.to_frame().select(pl.col(KEY).alias(PREDICTION), like), on=LIKE, maintain_order="left"
        )
    )
    return dict(
        found.select(KEY, PREDICTION)
        .unique(KEY, keep="first", maintain_order=True)
        .head(ALIKE_SHOWN)
        .iter_rows()
    )


def measured(
    given: Input, predictions: Predictions, scored: Sequence[Published], most_unusable: float
) -> Measured:
    """Join a file of labels to the predictions of these scorings.

    :param given: the file of labels.
    :param predictions: reads the predictions.
    :param scored: the scorings, newest first.
    :param most_unusable: the tolerated share, in [0, 1], of rows without a key, rows whose label is no class,
        and keys with several labels.
    :raises DataRejected: the file cannot be used as labels; the message says why and what to do.
    """
    table = predictions.table
    found = survey(given, table)
    check_share(given, found, 0, (), most_unusable)
    matching = _Matching(predictions)
    labels = duplicate = conflicting = 0
    conflicts: tuple[str, ...] = ()
    for share in shares(given, table, found.passes):
        labels += share.frame.height
        duplicate += share.duplicate
        conflicting += share.conflicting
        conflicts = conflicts or share.conflicts
        matching.match(share, scored)
    check_share(given, found, conflicting, conflicts, most_unusable)
    return Measured(
        rows=found.rows,
        labels=labels,
        unlabelled=found.unlabelled,
        unknown_labels=found.unknown_labels,
        duplicate=duplicate,
        conflicting=conflicting,
        unmatched=matching.unmatched,
        tables=len(matching.tables),
        without_key=len(matching.without_key),
        gone=len(matching.gone),
        scorings=tuple(matching.scorings),
        alike=tuple(matching.alike.items())[:ALIKE_SHOWN],
        models={name: answers.summed() for name, answers in sorted(matching.answers.items())},
    )
