"""The columns that a model sees: numbers, whole numbers, truth values, categories.

Everything after the reading of a table sees a feature as one number in each row (`tables.kinds`).
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

Kind = Literal["number", "integer", "boolean", "category"]
MOST_LEVELS = 1_000
LARGEST_BOUND = 1e37
"""Trees compare in single precision, which holds numbers up to 3.4e38."""
FALSE, TRUE = "false", "true"
OTHER_LEVEL = "(other)"
"""What stands for a level that is not declared, beside the declared ones."""


class Feature(BaseModel):
    """A column that the model sees.

    `min` and `max` bound plausible values of a number, in `unit`; `levels` are the values of a category.
    Without them each model learns those of its training table, and only it knows them.
    `missing` says what a cell without a value means: the row is refused, or the model is told so. Then it
    sees the median of a number, with an indicator; for a category or a truth value missing is a level of its
    own. `unseen` says the same of a level that is not declared: the row is refused, or the level is "other".
    `typical_min` and `typical_max` bound the column's mean in a training table, with equal weight for every
    class. The mean shows a swapped column or another unit even if each row is plausible.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(min_length=1)
    type: Kind = "number"
    unit: str = ""
    min: float = 0.0
    max: float = 0.0
    typical_min: float | None = None
    typical_max: float | None = None
    levels: tuple[str, ...] = ()
    missing: Literal["reject", "impute"] = "reject"
    unseen: Literal["reject", "other"] = "reject"

    @model_validator(mode="before")
    @classmethod
    def _bounded(cls, given: Any) -> Any:
        """Numbers need bounds; the others have theirs."""
        if not isinstance(given, dict):
            return given
        kind, bounds = given.get("type", "number"), {"min", "max"} & {*given}
        if kind in ("number", "integer"):
            if len(bounds) < 2:
                raise ValueError(f"feature {given.get('name')!r}: {_a(kind)} needs min and max")
            return given
        if bounds and kind in ("boolean", "category"):
            raise ValueError(f"feature {given.get('name')!r}: {_a(kind)} has no min and max")
        return given

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.is_number:
            self._check_bounds()
            self._check_only("levels", "unseen")
        else:
            self._check_only(
                "unit", "typical_min", "typical_max", *(() if self.type == "category" else _OF_LEVELS)
            )
        if self.type == "category":
            self._check_levels()
        return self

    def _check_bounds(self) -> None:
        if max(abs(self.min), abs(self.max)) > LARGEST_BOUND:
            raise ValueError(
                f"feature {self.name!r}: min and max are at most {LARGEST_BOUND:g}: choose another unit"
            )
        if not self.min < self.max:
            raise ValueError(f"feature {self.name!r}: min {self.min} is not below max {self.max}")
        low = self.min if self.typical_min is None else self.typical_min
        high = self.max if self.typical_max is None else self.typical_max
        if not self.min <= low < high <= self.max:
            raise ValueError(
                f"feature {self.name!r}: typical_min {low} and typical_max {high} do not lie in this order "
                f"between min {self.min} and max {self.max}"
            )

    def _check_only(self, *others: str) -> None:
        named = [name for name in others if getattr(self, name) != type(self).model_fields[name].default]
        if named:
            raise ValueError(f"feature {self.name!r}: {_a(self.type)} has no {', '.join(named)}")

    def _check_levels(self) -> None:
        if len(self.levels) > MOST_LEVELS:
            raise ValueError(
                f"feature {self.name!r}: a category has at most {MOST_LEVELS:,} levels, not "
                f"{len(self.levels):,}: join those that mean the same"
            )
        if self.unseen == "other" and OTHER_LEVEL in self.levels:
            raise ValueError(
                f"feature {self.name!r}: the level {OTHER_LEVEL!r} stands for those that are not listed: "
                "leave it out"
            )
        if len({*self.levels}) != len(self.levels):
            twice = next(level for level in self.levels if self.levels.count(level) > 1)
            raise ValueError(f"feature {self.name!r}: the level {twice!r} is there twice")

    @property
    def is_number(self) -> bool:
        """Whether it is an amount: only then are mean and range of its values meaningful."""
        return self.type in ("number", "integer")

    @property
    def is_unlisted(self) -> bool:
        """Whether it is a category whose levels are learnt from a training table."""
        return self.type == "category" and not self.levels

    @property
    def may_miss(self) -> bool:
        """Whether the model sees rows in which it has no value."""
        return self.missing == "impute"

    @property
    def codes(self) -> tuple[str, ...]:
        """What the numbers 0, 1, … of a category or truth value stand for; empty for amounts."""
        if self.is_number:
            return ()
        if self.type == "boolean":
            return (FALSE, TRUE)
        return (*self.levels, *((OTHER_LEVEL,) if self.unseen == "other" else ()))

    @model_serializer(mode="wrap")
    def _short(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is not said of it: a number looks as it did before there were other kinds."""
        fields = type(self).model_fields
        unsaid = {
            name for name in ("levels", "missing", "unseen") if getattr(self, name) == fields[name].default
        }
        if not self.is_number:
            unsaid |= {"unit", "min", "max", "typical_min", "typical_max"}
        return {name: value for name, value in whole(self).items() if name not in unsaid}


_OF_LEVELS = ("levels", "unseen")


def _a(kind: object) -> str:
    return f"an {kind}" if kind == "integer" else f"a {kind}"
