"""One object's scored parts together: what is published of it, all or nothing."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from iris_core.ledger import Identity
from iris_core.scoring.manifest import Manifest
from iris_core.scoring.quality import Quality, UnknownLabels, quality
from iris_core.scoring.rejects import Faults
from iris_core.scoring.work import Scored, Work
from iris_core.store.objects import ObjectVersion

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Whole:
    """All parts of one object, in row order."""

    work: Work
    parts: tuple[Scored, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def rejected(self) -> int:
        return sum(part.rejected for part in self.parts)

    @property
    def classes(self) -> dict[str, int]:
        """Rows by predicted class."""
        return dict(sum((Counter(part.classes) for part in self.parts), Counter()))

    @property
    def agreement(self) -> dict[str, dict[str, int]]:
        """Counts by label, then by prediction."""
        table: dict[str, Counter[str]] = {}
        for part in self.parts:
            for label, row in part.agreement.items():
                table.setdefault(label, Counter()).update(row)
        return {label: dict(row) for label, row in sorted(table.items())}

    @property
    def unknown_labels(self) -> UnknownLabels:
        """Labels that are no class."""
        return sum((part.unknown_labels for part in self.parts), UnknownLabels())

    @property
    def quality(self) -> Quality | None:
        """How right the predictions are; None without labels."""
        return quality(self.agreement)

    def faults(self) -> Faults:
        """What was wrong with the rejected rows."""
        faults = Faults()
        for part in self.parts:
            faults.add(part.faults)
        return faults


@dataclass(frozen=True)
class Ready:
    """An object of which everything is written that its record will name, but the MLflow run."""

    whole: Whole
    predictions: ObjectVersion
    rejects: ObjectVersion | None
    manifest: Manifest
    manifest_at: ObjectVersion

    @property
    def work(self) -> Work:
        return self.whole.work


def wholes(results: Iterable[Scored]) -> Iterator[Whole]:
    """The objects of which every part is there; others are left for another run."""
    by_work: dict[Identity, list[Scored]] = {}
    for scored in results:
        by_work.setdefault(scored.work.identity, []).append(scored)
    for parts in by_work.values():
        parts.sort(key=lambda part: part.piece.index)
        expected = parts[0].piece.count
        if [part.piece.index for part in parts] == list(range(expected)):
            yield Whole(parts[0].work, tuple(parts))
        else:
            log.warning("%s: %d of %d parts; not published.", parts[0].work.object.uri, len(parts), expected)
