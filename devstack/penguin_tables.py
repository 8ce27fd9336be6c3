"""The tables of the project `penguins`: 344 penguins of the Palmer archipelago, a few with values missing.

They come with the package palmerpenguins (Horst, Hill, Gorman 2020): nothing is downloaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iris_core.errors import ConfigError
from iris_core.settings.project import TableSchema

if TYPE_CHECKING:
    import polars as pl

INFERENCE_ROWS = 80
ISLAND = "South Georgia"
"""No island of the table: an undeclared level."""
LONGER_MM = 12.0


def split_penguins(schema: TableSchema, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A training table and an inference table of `INFERENCE_ROWS` rows, both stratified by species.

    :param schema: names the columns and classes.
    :param seed: seed of the random split.
    :raises ConfigError: the project's table is not that of the penguins.
    """
    import polars as pl
    from palmerpenguins import load_penguins
    from sklearn.model_selection import train_test_split

    whole = load_penguins()
    wanted = [*schema.feature_names, schema.target]
    if missing := [name for name in wanted if name not in whole.columns]:
        raise ConfigError(
            f"projects/penguins/project.json describes {', '.join(missing)}, which the penguins do not have "
            f"({', '.join(whole.columns)}). Restore it, or name another project for your own table."
        )
    parts = train_test_split(
        whole, test_size=INFERENCE_ROWS, random_state=seed, stratify=whole[schema.target]
    )
    training, inference = (pl.from_pandas(part.reset_index(drop=True)) for part in parts)
    return training, inference


def elsewhere(table: pl.DataFrame) -> pl.DataFrame:
    """The same penguins on an island that the model does not know, with longer bills."""
    import polars as pl

    return table.with_columns(pl.lit(ISLAND).alias("island"), (pl.col("bill_length_mm") + LONGER_MM).round(1))
