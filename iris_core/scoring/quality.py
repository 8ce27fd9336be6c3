"""How right predictions are, from counts of pairs (label, prediction)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict

from iris_core.models.metrics import metric_name


class ClassQuality(BaseModel):
    """Of one class: `precision` is None when it was never predicted, `recall` when no label says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: float | None
    recall: float | None
    labelled: int
    predicted: int


class Quality(BaseModel):
    """Share of labelled rows predicted right, and each class's precision and recall."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labelled: int
    accuracy: float
    classes: dict[str, ClassQuality]

    def metrics(self) -> Iterator[tuple[str, float]]:
        """As MLflow's metrics."""
        yield "accuracy", self.accuracy
        for name, one in self.classes.items():
            for what, value in (("precision", one.precision), ("recall", one.recall)):
                if value is not None:
                    yield metric_name(f"{what}_{name}"), value


def quality(agreement: Mapping[str, Mapping[str, int]]) -> Quality | None:
    """From counts by label, then by prediction (a confusion matrix); None without labels."""
    labelled = sum(sum(row.values()) for row in agreement.values())
    if not labelled:
        return None
    names = sorted({*agreement, *(name for row in agreement.values() for name in row)})
    right = {name: agreement.get(name, {}).get(name, 0) for name in names}
    classes = {}
    for name in names:
        actual = sum(agreement.get(name, {}).values())
        predicted = sum(row.get(name, 0) for row in agreement.values())
        classes[name] = ClassQuality(
            precision=right[name] / predicted if predicted else None,
            recall=right[name] / actual if actual else None,
            labelled=actual,
            predicted=predicted,
        )
    return Quality(labelled=labelled, accuracy=sum(right.values()) / labelled, classes=classes)
