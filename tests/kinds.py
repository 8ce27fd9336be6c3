"""A table of every kind of feature: numbers, whole numbers, truth values, categories, missing values."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from iris_core.settings.project import Project

TABLE: dict[str, Any] = {
    "features": [
        {"name": "size", "type": "number", "min": 0, "max": 150},
        {"name": "rooms", "type": "integer", "min": 0, "max": 20},
        {
            "name": "city",
            "type": "category",
            "levels": ["Berlin", "Bonn", "Ulm"],
            "missing": "impute",
            "unseen": "other",
        },
        {"name": "pet", "type": "boolean"},
        {"name": "colour", "type": "category", "levels": ["NA", "red", "a,b", 'q"x']},
        {"name": "age", "type": "number", "min": 0, "max": 120, "missing": "impute"},
        {"name": "insured", "type": "boolean", "missing": "impute"},
    ],
    "target": "income",
    "classes": ["<=50K", ">50K"],
    "positive": ">50K",
}
PROJECT = Project.model_validate({"name": "homes", "default_team": "team_a", "table": TABLE})


def homes(rows: int, seed: int, has_unseen: bool = False) -> pl.DataFrame:
    """A table as text; with `has_unseen` some cities are not declared."""
    draw = np.random.default_rng(seed)
    size, city = draw.normal(60, 12, rows), draw.choice(["Berlin", "Bonn", "Ulm"], rows, p=[0.5, 0.3, 0.2])
    pet, colour = draw.choice(["yes", "no"], rows), draw.choice(["NA", "red", "a,b", 'q"x'], rows)
    score = (size - 60) / 6 + (city == "Ulm") * 3.0 - (pet == "yes") * 1.5 + (colour == "red") * 1.5
    frame = pl.DataFrame(
        {
            "id": [f"{seed}-{row}" for row in range(rows)],
            "size": size.round(2).astype(str),
            "rooms": draw.integers(1, 9, rows).astype(str),
            "city": city,
            "pet": pet,
            "colour": colour,
            "age": draw.normal(45, 9, rows).round(1).astype(str),
            "insured": draw.choice(["TRUE", "FALSE"], rows),
            "note": "text",
            "income": np.where(score + draw.normal(0, 0.5, rows) > 0.5, ">50K", "<=50K"),
        }
    )

    def some(share: float) -> pl.Series:
        return pl.Series(draw.random(rows) < share)

    def instead(name: str, cell: str, mask: pl.Series) -> pl.Expr:
        return pl.when(mask).then(pl.lit(cell)).otherwise(name).alias(name)

    frame = frame.with_columns(
        instead("age", "", some(0.1)), instead("city", "NA", some(0.08)), instead("insured", " ", some(0.05))
    )
    return frame.with_columns(instead("city", "=Köln", some(0.05))) if has_unseen else frame


def as_csv(frame: pl.DataFrame) -> bytes:
    """The table as CSV."""
    return frame.write_csv().encode()
