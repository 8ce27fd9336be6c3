"""Counts of scored and rejected rows, and the quality of predictions: accuracy, precision and recall.

Counts add up over batches, parts of an object, and objects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.records.base import ClassQuality, UnknownCount
from iris_core.tables import Finding
from iris_core.tables.cells import EXAMPLES
from iris_core.tables.findings import ROWS_NAMED, Check, shown, with_hint

VALUES_NAMED = 5

Agreement = Mapping[str, Mapping[str, int]]


class UnknownLabels(UnknownCount):
    """Labels that are no class of the table; they never count as wrong predictions."""

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


class Fault(BaseModel):
    """One kind of fault in one column: the number of rows with it, and the first few rows and values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: Check
    column: str | None
    count: int
    rows: tuple[int, ...]
    values: tuple[str, ...]
    expected: str

    def __add__(self, later: Fault) -> Fault:
        """The fault in two consecutive parts of a table."""
        return self.model_copy(
            update={
                "count": self.count + later.count,
                "rows": (*self.rows, *later.rows)[:ROWS_NAMED],
                "values": tuple(dict.fromkeys((*self.values, *later.values)))[:VALUES_NAMED],
            }
        )

    def finding(self) -> Finding:
        """The finding that a message is made from."""
        found = ", ".join(map(shown, self.values)) if self.column else ", ".join(self.values)
        return Finding(
            check=self.check,
            column=self.column,
            rows=self.rows,
            count=self.count,
            found=found,
            expected=self.expected,
        )


class Counts(BaseModel):
    """Numbers of scored rows, by predicted class, and of rejected rows, by fault.

    `agreement` counts rows by label, then by prediction, where there are labels. `faults` are in the order in
    which the rows show them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = 0
    rejected: int = 0
    classes: dict[str, int] = {}
    agreement: dict[str, dict[str, int]] = {}
    unknown_labels: UnknownLabels = UnknownLabels()
    faults: tuple[Fault, ...] = ()

    def __add__(self, later: Counts) -> Counts:
        """Counts of two consecutive parts of a table."""
        return Counts(
            rows=self.rows + later.rows,
            rejected=self.rejected + later.rejected,
            classes=_added(self.classes, later.classes),
            agreement=_added_pairs(self.agreement, later.agreement),
            unknown_labels=self.unknown_labels + later.unknown_labels,
            faults=_added_faults(self.faults, later.faults),
        )

    @property
    def worst_faults(self) -> list[Fault]:
        """The faults, those with the most rows first."""
        return sorted(self.faults, key=lambda fault: -fault.count)

    @property
    def quality(self) -> Quality | None:
        """Quality of the predictions; None without labels."""
        return quality(self.agreement)


def _added(one: Mapping[str, int], later: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(one) + Counter(later))


def _added_pairs(one: Agreement, later: Agreement) -> dict[str, dict[str, int]]:
    labels = sorted({*one, *later})
    return {label: _added(one.get(label, {}), later.get(label, {})) for label in labels}


def _added_faults(one: Iterable[Fault], later: Iterable[Fault]) -> tuple[Fault, ...]:
    found: dict[tuple[str, str | None], Fault] = {}
    for fault in (*one, *later):
        key = (fault.check, fault.column)
        found[key] = found[key] + fault if key in found else fault
    return tuple(found.values())
