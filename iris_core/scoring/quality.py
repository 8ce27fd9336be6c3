"""Accuracy, precision and recall, from counts of pairs (label, prediction)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.records.base import ClassQuality, UnknownCount
from iris_core.models.metrics import metric_name
from iris_core.tables import Labels
from iris_core.tables.findings import LONGEST_QUOTE, with_hint

EXAMPLES = 5


class UnknownLabels(UnknownCount):
    """Labels that are no class of the table; they never count as wrong predictions."""

    @classmethod
    def among(cls, labels: Labels) -> UnknownLabels:
        """The unknown labels of a batch."""
        found = labels.unknown.drop_nulls()
        few = found.unique(maintain_order=True).head(EXAMPLES) if len(found) else found
        return cls(count=len(found), examples=tuple(text.strip()[:LONGEST_QUOTE] for text in few))

    def __add__(self, later: UnknownLabels) -> UnknownLabels:
        examples = dict.fromkeys((*self.examples, *later.examples))
        return UnknownLabels(count=self.count + later.count, examples=tuple(examples)[:EXAMPLES])

    def sentence(self, classes: Sequence[str]) -> str:
        """A sentence about the unknown labels; empty where there are none."""
        if not self.count:
            return ""
        shown = ", ".join(with_hint(example, classes) for example in self.examples)
        are = "label is no class and is" if self.count == 1 else "labels are no class and are"
        return f"{self.count:,} {are} not counted: {shown}"


class Quality(BaseModel):
    """Share of labelled rows whose prediction is right, in [0, 1]; each class's precision and recall."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labelled: int
    accuracy: float
    classes: dict[str, ClassQuality]

    def metrics(self) -> Iterator[tuple[str, float]]:
        """Names and values of MLflow metrics."""
        yield "accuracy", self.accuracy
        for name, one in self.classes.items():
            for what, value in (("precision", one.precision), ("recall", one.recall)):
                if value is not None:
                    yield metric_name(f"{what}_{name}"), value


def quality(agreement: Mapping[str, Mapping[str, int]]) -> Quality | None:
    """Quality from a confusion matrix: counts by label, then by prediction. None without labels."""
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
