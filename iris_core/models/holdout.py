"""The seeded split of a labelled table: what is learned from, and what is kept back to judge with.

It is a function of the object version and the training configuration, so a holdout is never stored: it is
drawn again, and its digest shows that it is the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iris_core.ledger.workspace import Workspace
from iris_core.settings.project import TableSchema
from iris_core.store.objects import ObjectVersion

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Part:
    """Rows of a table: features as float64 in the schema's order, labels as text."""

    features: pd.DataFrame
    labels: pd.Series[str]

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> str:
        """SHA-256 over column names, values as little-endian float64 row by row, and labels."""
        sha = hashlib.sha256("\n".join([*self.features.columns, ""]).encode())
        sha.update(self.features.to_numpy("<f8").tobytes())
        sha.update("\n".join(self.labels).encode())
        return sha.hexdigest()

    def row_keys(self) -> NDArray[np.integer[Any]]:
        """A 64-bit hash of each row, label included: equal rows have equal keys."""
        import pandas as pd

        table = self.features.assign(**{"": self.labels.to_numpy()})
        return pd.util.hash_pandas_object(table, index=False).to_numpy()


@dataclass(frozen=True)
class Split:
    """Both parts of a table."""

    learned: Part
    holdout: Part


def split(frame: pd.DataFrame, table: TableSchema, share: float, seed: int) -> Split:
    """Keep a stratified share of the rows back.

    :param frame: features as float64 and the target as text, as `labelled_frame` gives them.
    """
    from sklearn.model_selection import train_test_split

    features, target = frame[list(table.feature_names)], frame[table.target]
    learn_x, holdout_x, learn_y, holdout_y = train_test_split(
        features, target, test_size=share, random_state=seed, stratify=target
    )
    return Split(Part(learn_x, learn_y), Part(holdout_x, holdout_y))


def labelled_frame(workspace: Workspace, version: ObjectVersion) -> pd.DataFrame:
    """A whole training table in memory: features as float64 in the schema's order, then each row's class.

    What is not a number is NaN, what is no class is None: validate first.

    :raises ObjectMissing: this version is gone.
    :raises DataRejected: it cannot be read as a table, or a column is missing.
    """
    import polars as pl

    from iris_core.tables import StoredInput, Wanted, read

    table = workspace.settings.project.table
    wanted = Wanted(table.feature_names, (table.target,), table.classes)
    source = read(StoredInput(workspace.store, version), wanted)
    source.require(wanted.names)
    batches = source.each(
        lambda it: it.features.with_columns(it.labels[table.target].known.alias(table.target))
    )
    return pl.concat(batches).with_columns(pl.col(table.target).cast(pl.String)).to_pandas()
