"""The seeded split of a labelled table into training rows and a holdout, on which models are judged.

The split follows from the object version and the training configuration. So a holdout is never stored: it is
drawn again, and its digest shows that it is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from iris_core.drift.sides import Side, read_side
from iris_core.ledger.records.training import TrainedRecord
from iris_core.settings.project import TableSchema
from iris_core.store.objects import ObjectStore
from iris_core.tables import Input, StoredInput, missing_columns, rejection
from iris_core.tables.levels import with_learnt_levels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Part:
    """Rows of a table: features as float64 in the schema's order, labels as text.

    `levels` has what the codes of each category stand for: two tables whose levels were learnt may have
    different codes for the same level.
    """

    features: pd.DataFrame
    labels: pd.Series[str]
    levels: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def kept(self, rows: NDArray[np.bool_]) -> Part:
        """The rows for which the mask `rows` is true."""
        return replace(self, features=self.features[rows], labels=self.labels[rows])

    def followed_by(self, other: Part) -> Part:
        """The rows of both; each keeps its index."""
        import pandas as pd

        features = pd.concat([self.features, other.features])
        return replace(self, features=features, labels=pd.concat([self.labels, other.labels]))

    def digest(self) -> str:
        """SHA-256 over column names, values as little-endian float64 row by row, and labels."""
        sha = hashlib.sha256("\n".join([*self.features.columns, ""]).encode())
        sha.update(self.features.to_numpy("<f8").tobytes())
        sha.update("\n".join(self.labels).encode())
        return sha.hexdigest()

    def row_keys(self) -> NDArray[np.integer[Any]]:
        """A 64-bit hash of each row's features: rows with the same features have the same key. Shape (rows,).

        The label is left out. Otherwise, in a table with few distinct values, the rows that count as never
        seen would be those with an unusual label: mostly the mislabelled ones.
        """
        import pandas as pd

        named = {name: _named(self.features[name], levels) for name, levels in self.levels.items()}
        return pd.util.hash_pandas_object(self.features.assign(**named), index=False).to_numpy()


def _named(codes: pd.Series[float], levels: Sequence[str]) -> NDArray[Any]:
    """The levels that codes stand for; "" for what is missing or no level."""
    import numpy as np

    names = np.array([*levels, ""], dtype=object)
    places = codes.fillna(len(levels)).clip(upper=len(levels)).to_numpy(int)
    found: NDArray[Any] = names[places]
    return found


@dataclass(frozen=True)
class TrainingTable:
    """A training table in memory.

    :param frame: features as float64 in the schema's order, then each row's class. A cell that is no number
        is NaN, a label that is no class is None: validate first.
    :param side: exact statistics of all rows, and a bounded sample of them.
    :param table: the schema, with the levels that were learnt from this table where it lists none.
    """

    frame: pd.DataFrame
    side: Side
    table: TableSchema


@dataclass(frozen=True)
class Split:
    """A table's training rows and its holdout."""

    learned: Part
    holdout: Part


def split(frame: pd.DataFrame, table: TableSchema, share: float, seed: int) -> Split:
    """Split a table into training rows and a holdout, stratified by class.

    :param frame: features as float64 and the target as text, as `training_table` returns them.
    :param table: names the features and the target.
    :param share: share of the rows in the holdout, in (0, 1).
    :param seed: seed of the random choice.
    """
    from sklearn.model_selection import train_test_split

    features, target = frame[list(table.feature_names)], frame[table.target]
    learn_x, holdout_x, learn_y, holdout_y = train_test_split(
        features, target, test_size=share, random_state=seed, stratify=target
    )
    return Split(Part(learn_x, learn_y, table.levels), Part(holdout_x, holdout_y, table.levels))


def training_table(given: Input, table: TableSchema) -> TrainingTable:
    """Read a whole training table, once.

    :param given: the table's bytes.
    :param table: names the features, the target and its classes. Levels that it does not list are learnt.
    :raises ObjectMissing: this object version is gone.
    :raises DataRejected: the object cannot be read as a table, or a column is missing.
    """
    table = with_learnt_levels(given, table)
    frames: list[pl.DataFrame] = []
    side = read_side(given, table, frames.append)
    whole = pl.concat(frames)
    if absent := missing_columns(whole.columns, [table.target]):
        raise rejection(given.where, absent)
    return TrainingTable(whole.select(*table.feature_names, table.target).to_pandas(), side, table)


def drawn_again(
    store: ObjectStore, training: TrainedRecord, table: TableSchema
) -> tuple[TrainingTable, Split]:
    """Read a model's training table again, and split it as it was split then.

    :param store: where the object is read.
    :param training: the record of the training.
    :param table: names the features and the target. Levels that it lists are used in place of those that
        were learnt: so a model can be asked about a table that another one was trained on.
    :raises DataRejected: the project's table has other columns now.
    :raises ObjectMissing: this object version is gone.
    """
    learnt, config = training_table(StoredInput(store, training.about), table), training.inputs.config
    return learnt, split(learnt.frame, learnt.table, config.holdout_share, config.seed)
