"""Tells whether a new table is suspect, by the champion and the champion's own table. Writes nothing.

Labels that are wrong in a whole table spoil its holdout, too, so no comparison on the holdout shows them. The
champion does: it is surprised. It cannot tell wrong labels from a changed world, so a human must.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from iris_core.drift.hypergeometric import at_least
from iris_core.ledger.records.suspect import TOGETHER, Leak, Leaks, OnSuspect, Surprise
from iris_core.models.holdout import Part, Split
from iris_core.promotion.floor import LEARNABLE_ROWS, bounded, cross_validated
from iris_core.promotion.measurement import LEAST_UNSEEN

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.base import ClassifierMixin

    Flags = NDArray[np.bool_]

SEED = 7
SURPRISE_LIMIT = 0.001
"""Share of sound tables that are suspect by chance."""
UNLIKE_ITS_CLONES = 0.01
"""The chance below which a champion is worse than its clones, and is judged by its holdout alone."""
LEAK_LIMIT = 0.001
"""Share of sound tables in which a feature seems to leak by chance."""
ALMOST_ALL = 0.9
"""A feature that leaks gets this share right of the rows that the majority class gets wrong."""
LEAST_FALL = 3
"""A feature that leaks has this many times fewer wrong answers than in the champion's table."""
LEAK_ROWS = 2_000
"""Most rows of either table from which features are learned."""
LEAVES = 4
"""Leaves for each class, of a tree on one feature."""


@dataclass(frozen=True)
class Tables:
    """A champion's own table and a new one.

    :param own: the champion's training rows and its holdout, together.
    :param new: the new table's training rows and holdout, together.
    :param is_repeated: rows of `own` whose features occur there more than once.
    :param is_kept_back: rows of `own` that are its holdout.
    :param is_seen: rows of `new` whose features the champion was trained on.
    """

    own: Part
    new: Part
    is_repeated: Flags
    is_kept_back: Flags
    is_seen: Flags


def tables_of(own: Split, new: Split) -> Tables:
    """Join the parts of both tables, at most 10,000 rows of each part."""
    ours, theirs, known = _whole(own), _whole(new), own.learned.row_keys()
    _, places, counts = np.unique(ours.row_keys(), return_inverse=True, return_counts=True)
    kept_back = np.arange(len(ours)) >= len(ours) - min(len(own.holdout), LEARNABLE_ROWS)
    return Tables(ours, theirs, counts[places] > 1, kept_back, np.isin(theirs.row_keys(), known))


def _whole(parts: Split) -> Part:
    """A table's training rows and holdout together, at most 10,000 rows of either."""
    return bounded(parts.learned, SEED).followed_by(bounded(parts.holdout, SEED))


@dataclass(frozen=True)
class Suspicion:
    """What a champion says about a new table.

    :param tables: the champion's table and the new one.
    :param champion: the fitted model; clones of it are cross-validated.
    :param on_suspect: what the deployment does with a suspect table.
    """

    tables: Tables
    champion: ClassifierMixin
    on_suspect: OnSuspect

    def surprise(self) -> Surprise | str:
        """Test whether the champion is surely worse on the new table than models like it on its own.

        The test is made twice, one-sided, at half the limit each: on rows that the champion cannot have
        learnt by heart, and on all rows, because in tables of few values nearly every row occurs in both.

        :returns: the more surprising comparison, or the reason why there is none.
        """
        tables, own, on_suspect = self.tables, self._own_answers(), self.on_suspect
        new = np.asarray(self.champion.predict(tables.new.features), str) == tables.new.labels.to_numpy(str)
        found = [
            _surprise(own, own.right[~own.is_repeated], new[~tables.is_seen], "unseen rows", on_suspect),
            _surprise(own, own.right, new, "all rows", on_suspect),
        ]
        asked = [each for each in found if each]
        if not asked:
            return f"fewer than {LEAST_UNSEEN} rows to ask the champion about"
        unseen = asked[0]
        surest = min(asked, key=lambda each: each.p_value)
        return surest if surest.is_suspect else unseen

    def _own_answers(self) -> _OwnAnswers:
        """Answers of the champion's clones on its whole table, or its own on its holdout.

        The whole table has five times as many rows. Clones stand for the champion unless it is surely worse
        on its holdout than they are.
        """
        tables, kept_back = self.tables, self.tables.is_kept_back
        labels, holdout = tables.own.labels.to_numpy(str), tables.own.kept(kept_back)
        on_holdout = np.zeros(0, bool)
        if len(holdout):
            on_holdout = np.asarray(self.champion.predict(holdout.features), str) == labels[kept_back]
        right = self._told_by_clones
        if right is not None and _worse_by_chance(on_holdout, right) > UNLIKE_ITS_CLONES:
            return _OwnAnswers(right, tables.is_repeated, "cross-validation")
        return _OwnAnswers(on_holdout, tables.is_repeated[kept_back], "holdout")

    @cached_property
    def _told_by_clones(self) -> Flags | None:
        """Rows of the champion's table whose label its clones predict right; None with too few rows."""
        return _told_by(self.tables.own, self.champion)

    def leaks(self) -> Leaks | None:
        """Find features that name the class almost always in the new table, and did not in the champion's.

        Each feature is tested by itself; if none leaks, all of them together.
        """
        new, is_seen = self.tables.new, self.tables.is_seen
        new = new.kept(~is_seen) if int((~is_seen).sum()) >= LEAST_UNSEEN else new
        ours = bounded(self.tables.own, SEED, LEAK_ROWS)
        theirs = bounded(new, SEED, min(LEAK_ROWS, len(ours)))  # more rows to learn from are an advantage
        compared = _Leaking(ours, theirs, LEAK_LIMIT / (ours.features.shape[1] + 1))
        found = tuple(leak for name in ours.features.columns for leak in compared.alone(str(name)))
        found = found or tuple(compared.together(self.champion, self._told_by_clones))
        return Leaks(found=found, on_suspect=self.on_suspect) if found else None


@dataclass(frozen=True)
class _OwnAnswers:
    """Rows of a champion's own table that are answered right, and rows that occur more than once."""

    right: Flags
    is_repeated: Flags
    by: Literal["holdout", "cross-validation"]


def _worse_by_chance(new: Flags, own: Flags) -> float:
    """The chance of so many more wrong answers among the new rows: Fisher's exact test, one-sided."""
    wrong, own_wrong = int((~new).sum()), int((~own).sum())
    return at_least(wrong, wrong + own_wrong, len(new), len(new) + len(own))


def _surprise(
    own: _OwnAnswers,
    before: Flags,
    new: Flags,
    compared_on: Literal["unseen rows", "all rows"],
    on_suspect: OnSuspect,
) -> Surprise | None:
    """One comparison; None with too few rows.

    :param own: how the answers to the champion's own table were made.
    :param before: right answers among the compared rows of the champion's table.
    :param new: right answers among those of the new table.
    :param compared_on: which rows these are.
    :param on_suspect: what the deployment does with a suspect table.
    """
    if min(len(before), len(new)) < LEAST_UNSEEN:
        return None
    return Surprise(
        right=int(new.sum()),
        rows=len(new),
        own_right=int(before.sum()),
        own_rows=len(before),
        p_value=_worse_by_chance(new, before),
        limit=SURPRISE_LIMIT / 2,
        on_suspect=on_suspect,
        compared_on=compared_on,
        own_by=own.by,
    )


@dataclass(frozen=True)
class _Leaking:
    """Rows of a champion's own table and of a new one; `limit` is the chance below which a feature leaks."""

    own: Part
    new: Part
    limit: float

    def alone(self, feature: str) -> Iterator[Leak]:
        """Test one feature, with a small tree."""
        tree, new, own = _small_tree(self.new), _only(feature, self.new), _only(feature, self.own)
        yield from self._leak(feature, _told_by(new, tree), lambda: _told_by(own, tree))

    def together(self, champion: ClassifierMixin, told: Flags | None) -> Iterator[Leak]:
        """Test all features together, with the champion.

        :param champion: clones of it are fitted.
        :param told: rows of its whole table whose label its clones predict right.
        """
        is_whole = told is not None and len(told) == len(self.own)
        right = _told_by(self.new, champion)
        yield from self._leak(TOGETHER, right, lambda: told if is_whole else _told_by(self.own, champion))

    def _leak(self, name: str, right: Flags | None, before: Callable[[], Flags | None]) -> Iterator[Leak]:
        """Compare what a model tells of either table, and yield the leak if there is one.

        :param name: the name of the leak.
        :param right: rows of the new table whose label the model predicts right; None with too few rows.
        :param before: the same of the champion's table; asked only when the new one is told almost whole.
        """
        if right is None or not is_almost_all(right, self.new) or (own := before()) is None:
            return
        wrong, wrong_before = int((~right).sum()), int((~own).sum())
        chance = _worse_by_chance(own, right)
        is_much = wrong_before / len(own) > LEAST_FALL * wrong / len(right)
        if is_much and chance <= self.limit:
            yield Leak(
                feature=name,
                right=len(right) - wrong,
                rows=len(right),
                own_right=len(own) - wrong_before,
                own_rows=len(own),
                p_value=chance,
            )


def _only(feature: str, part: Part) -> Part:
    return Part(part.features[[feature]], part.labels)


def _told_by(part: Part, model: ClassifierMixin) -> Flags | None:
    """Rows whose label clones of a model predict right; None with too few rows."""
    answers = cross_validated(model, part, SEED)
    return None if answers is None else answers.named == part.labels.to_numpy(str)


def told_alone(feature: str, part: Part) -> Flags | None:
    """Rows whose label small trees predict right from one feature; None with too few rows."""
    return _told_by(_only(feature, part), _small_tree(part))


def _small_tree(part: Part) -> ClassifierMixin:
    from sklearn.tree import DecisionTreeClassifier

    leaves = LEAVES * int(part.labels.nunique())
    return DecisionTreeClassifier(max_leaf_nodes=max(2, leaves), random_state=SEED)


def is_almost_all(right: Flags, part: Part, share: float = ALMOST_ALL) -> bool:
    """Whether of the rows that the majority class gets wrong, this share is right."""
    missed = len(part) - int(part.labels.value_counts().max())
    return missed > 0 and int((~right).sum()) <= (1 - share) * missed
