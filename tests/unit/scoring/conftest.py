"""Bytes as an input, a model of the project's table, and the scoring pass over bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from iris_core.models.decide import Decider
from iris_core.scoring.counts import Counts
from iris_core.scoring.engine import score_table
from iris_core.scoring.output import Options, Scoring
from iris_core.settings.project import TableSchema
from iris_core.settings.project_files import load_project
from iris_core.tables import Range
from iris_core.tables.cutting import cutting
from iris_core.tables.outline import Outline, outline

TABLE: TableSchema = load_project().table


@dataclass(frozen=True)
class Bytes:
    """An input in memory."""

    data: bytes
    where: str = "s3://b/k.csv"
    unpack_ratio: int | None = None

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, start: int, end: int) -> bytes:
        return self.data[start:end]


@dataclass(frozen=True)
class Pass:
    """What one pass wrote and counted."""

    out: bytes
    rejects: bytes
    counts: Counts


def run(
    data: bytes, decider: Decider | None, rows: Range | None = None, options: Options | None = None
) -> Pass:
    out, rejects = io.BytesIO(), io.BytesIO()
    how = Scoring(decider, TABLE, options or Options("3"))
    written = score_table(Bytes(data), how, out, rejects, rows)
    return Pass(out.getvalue(), rejects.getvalue(), written.counts)


def cuts(data: bytes, least: int, unit: int = 1) -> list[Range]:
    """The rows of each stretch of a table."""
    found = cutting(Bytes(data), least, unit)
    if found is None:
        return []
    outlines = [outline(Bytes(data), *found.stretch(index)) for index in range(found.count)]
    return [
        found.rows(sum(outlines[:index], Outline()), own, index == found.count - 1)
        for index, own in enumerate(outlines)
    ]


def shards(data: bytes, least: int) -> list[Range | None]:
    """The rows of each shard: of each stretch, or the whole table where it cannot be cut."""
    return [*cuts(data, least)] or [None]


def fitted(model: Any = None, seed: int = 0, classes: int = 3) -> Any:
    """A model of random flowers."""
    import pandas as pd

    random = np.random.default_rng(seed)
    features = pd.DataFrame(random.uniform(0, 8, (300, 4)).round(2), columns=list(TABLE.feature_names))
    labels = np.array(TABLE.classes)[random.integers(0, classes, 300)]
    labels[:classes] = TABLE.classes[:classes]
    if model is None:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    return model.fit(features, labels)


@pytest.fixture(scope="session")
def decider() -> Decider:
    """A linear model, by its expression."""
    return Decider(fitted(), TABLE.feature_names)
