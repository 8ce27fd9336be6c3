"""Is a table suspect? What the champion and its own table say of labels and features. Writes nothing.

Labels that are wrong in a whole table spoil its holdout, too, so that no comparison on it tells. What tells
is the champion: it is surprised. It cannot tell wrong labels from a changed world, so a human must.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from iris_core.drift.hypergeometric import at_least
from iris_core.ledger.records.gate import TOGETHER, Leak, Leaks, OnSuspect, Surprise
from iris_core.models.holdout import Part, Split
from iris_core.promotion.floor import LEARNABLE_ROWS, bounded, cross_validated
from iris_core.promotion.measurement import LEAST_UNSEEN

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.base import ClassifierMixin

    Flags = NDArray[np.bool_]

SEED = 7
SURPRISE_LIMIT = 0.001
"""So few sound tables are held up for a human, one at a time in a thousand."""
UNLIKE_ITS_CLONES = 0.01
"""A chance; a champion that was trained otherwise than its clones is, is judged by its holdout alone."""
LEAK_LIMIT = 0.001
"""The same, for all that may leak."""
ALMOST_ALL = 0.9
"""Of what always naming the majority class gets wrong, a feature that leaks gets so much right."""
LEAST_FALL = 3
"""So many times fewer wrong answers than in the champion's table."""
LEAK_ROWS = 2_000
"""Of either table; each feature is learned from them by itself."""
LEAVES = 4
"""Of a tree on one feature, for each class."""


@dataclass(frozen=True)
class Tables:
    """A champion's own table and a new one, as suspicion needs them.

    :param own: what the champion was trained on and its holdout, together.
    :param new: the same of the new table.
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
    """Both tables, at most 10,000 rows of each part."""
    ours, theirs, known = whole_of(own), whole_of(new), own.learned.row_keys()
    _, places, counts = np.unique(ours.row_keys(), return_inverse=True, return_counts=True)
    kept_back = np.arange(len(ours)) >= len(ours) - min(len(own.holdout), LEARNABLE_ROWS)
    return Tables(ours, theirs, counts[places] > 1, kept_back, np.isin(theirs.row_keys(), known))


def whole_of(parts: Split) -> Part:
    """A whole table, at most 10,000 rows of either part."""
    return bounded(parts.learned, SEED).followed_by(bounded(parts.holdout, SEED))


def surprise_of(tables: Tables, champion: ClassifierMixin, on_suspect: OnSuspect) -> Surprise | str:
    """Whether a champion does surely worse on a new table than models like it on its own.

    Asked of rows that it cannot have learnt by heart, and of all rows: on tables of few values nearly every
    row's features occur in both. Both are one-sided Fisher tests at half the limit.

    :param champion: the fitted model; clones of it are cross-validated on its own table.
    :param on_suspect: what the deployment does with a suspect table.
    :returns: the more surprising comparison, or why there is none.
    """
    own = _own_answers(tables, champion)
    new = np.asarray(champion.predict(tables.new.features), str) == tables.new.labels.to_numpy(str)
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


@dataclass(frozen=True)
class _OwnAnswers:
    """Which rows of a champion's own table are answered right, and which of them occur twice."""

    right: Flags
    is_repeated: Flags
    by: Literal["holdout", "cross-validation"]


def _own_answers(tables: Tables, champion: ClassifierMixin) -> _OwnAnswers:
    """The champion's on its holdout, or those of its clones on its whole table, which are five times as many.

    Clones stand for it only where it does not surely worse than they on its holdout.
    """
    labels, kept_back = tables.own.labels.to_numpy(str), tables.is_kept_back
    holdout = tables.own.kept(kept_back)
    on_holdout = np.zeros(0, bool)
    if len(holdout):
        on_holdout = np.asarray(champion.predict(holdout.features), str) == labels[kept_back]
    cloned = cross_validated(champion, tables.own, SEED)
    if cloned is not None:
        right = cloned.named == labels
        if _worse_by_chance(on_holdout, right) > UNLIKE_ITS_CLONES:
            return _OwnAnswers(right, tables.is_repeated, "cross-validation")
    return _OwnAnswers(on_holdout, tables.is_repeated[kept_back], "holdout")


def _worse_by_chance(new: Flags, own: Flags) -> float:
    """How likely chance gives the new rows so many more wrong answers: Fisher's exact test."""
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

    :param before: the answers to its own rows that are compared.
    :param new: those to the new table's.
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


def leaks_of(tables: Tables, champion: ClassifierMixin, on_suspect: OnSuspect) -> Leaks | None:
    """Features that name the class almost always in the new table, and did not in the champion's.

    Each by itself; where none does, all of them together.

    :param champion: clones of it learn from all features together.
    :param on_suspect: what the deployment does with a suspect table.
    """
    new = tables.new.kept(~tables.is_seen) if int((~tables.is_seen).sum()) >= LEAST_UNSEEN else tables.new
    ours = bounded(tables.own, SEED, LEAK_ROWS)
    theirs = bounded(new, SEED, min(LEAK_ROWS, len(ours)))  # more rows to learn from would be an advantage
    compared = _Leaking(ours, theirs, LEAK_LIMIT / (ours.features.shape[1] + 1))
    found = tuple(leak for name in ours.features.columns for leak in compared.alone(str(name)))
    found = found or tuple(compared.leak(TOGETHER, champion, list(ours.features.columns)))
    return Leaks(found=found, on_suspect=on_suspect) if found else None


@dataclass(frozen=True)
class _Leaking:
    """Rows of a champion's own table and of a new one, in which features may leak; `limit` of each chance."""

    own: Part
    new: Part
    limit: float

    def alone(self, feature: str) -> Iterator[Leak]:
        """A small tree on one feature."""
        from sklearn.tree import DecisionTreeClassifier

        leaves = LEAVES * int(self.new.labels.nunique())
        tree = DecisionTreeClassifier(max_leaf_nodes=max(2, leaves), random_state=SEED)
        yield from self.leak(feature, tree, [feature])

    def leak(self, name: str, model: ClassifierMixin, features: list[str]) -> Iterator[Leak]:
        """What features tell a model, cross-validated on either table, where that is a leak.

        :param name: names the features.
        :param model: clones of it are fitted.
        :param features: what it is given.
        """
        right = _told_by(features, self.new, model)
        if right is None or not _is_almost_all(right, self.new):
            return
        before = _told_by(features, self.own, model)
        if before is None:
            return
        wrong, wrong_before = int((~right).sum()), int((~before).sum())
        chance = _worse_by_chance(before, right)
        is_much = wrong_before / len(before) > LEAST_FALL * wrong / len(right)
        if is_much and chance <= self.limit:
            yield Leak(
                feature=name,
                right=len(right) - wrong,
                rows=len(right),
                own_right=len(before) - wrong_before,
                own_rows=len(before),
                p_value=chance,
            )


def _told_by(features: list[str], part: Part, model: ClassifierMixin) -> Flags | None:
    """Which labels clones of a model tell from features; None with too few rows."""
    answers = cross_validated(model, Part(part.features[features], part.labels), SEED)
    return None if answers is None else answers.named == part.labels.to_numpy(str)


def _is_almost_all(right: Flags, part: Part) -> bool:
    missed = len(part) - int(part.labels.value_counts().max())
    return missed > 0 and int((~right).sum()) <= (1 - ALMOST_ALL) * missed
