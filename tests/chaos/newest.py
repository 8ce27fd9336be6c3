"""Whether the newest sound content is what is used: the invariant of the model check, seen in a real stack.

Sound is what the script made so, and content of which something was made: of hostile objects only the
pipelines can tell, and most are refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from iris_core.ledger import ModelRef, Outcome, Record
from iris_core.ledger.records.objects import ObjectRecord
from iris_core.ledger.records.promotion import PromotionRecord, RollbackRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.store.versions import ListedVersion, ObjectVersion

MADE = frozenset({Outcome.TRAINED, Outcome.SCORED, Outcome.MEASURED, Outcome.UNMATCHED})
DECIDED = MADE | {Outcome.REJECTED, Outcome.FAILED, Outcome.UNCHANGED}


@dataclass(frozen=True)
class Newest:
    """Of one key: its newest version with sound content, what was made of that last, and what is wrong."""

    version: ObjectVersion | None = None
    made: ObjectRecord | None = None
    wrong: str = ""


def newest_of_key(
    versions: Sequence[ListedVersion],
    records: Mapping[str, Sequence[ObjectRecord]],
    sound: Collection[str],
) -> Newest:
    """Look at one key; a deleted one has nothing newest.

    :param versions: newest first.
    :param records: of one kind, oldest first, by the version's digest.
    :param sound: etags of what the script made sound.
    """
    mine = [record for item in versions for record in records.get(item.object.digest, ())]
    made = [record for record in mine if record.outcome in MADE]
    used = {record.about.etag for record in made}
    for item in versions if versions[0].is_current else ():
        version = item.object
        if version.etag in used or version.etag in sound:
            last = max(made, key=lambda record: (record.about.landed_at, record.at), default=None)
            if last and last.about.etag == version.etag:
                return Newest(version, last)
            told = f"{last.about.uri} was used last" if last else "nothing was used"
            return Newest(version, wrong=f"{told}, the newest sound content is that of {version.uri}")
        if not _is_decided(records.get(version.digest, ())):
            return Newest(wrong=f"nothing stands about {version.uri}, and nothing newer is sound")
    return Newest()


def _is_decided(records: Sequence[ObjectRecord]) -> bool:
    last = {record.variant.base: record.outcome for record in records}
    return not DECIDED.isdisjoint(last.values())


def wrong_staging(
    newest: ObjectRecord | None, promotions: Iterable[Record], staged: ModelRef | None
) -> list[str]:
    """What is wrong about the staged model: it must come from the newest content that may be staged.

    That is the newest sound one, unless the gate or a human refused its model, or a human is asked.

    :param newest: the training on the newest sound content.
    :param promotions: every decision about models.
    :param staged: the model that the alias names.
    """
    decided = [record for record in promotions if isinstance(record, PromotionRecord)]
    wanted = max(_standing(decided), key=lambda record: record.age, default=None)
    found = []
    if isinstance(newest, TrainedRecord) and newest.run_id not in {record.subject for record in decided}:
        found.append(f"the model of the newest sound content, {newest.about.uri}, has no verdict")
    if (wanted and wanted.inputs.run_id) != (staged and staged.run_id):
        found.append(f"staged is {staged and staged.version}, wanted {wanted and wanted.inputs.version}")
    return found


def _standing(decided: Iterable[PromotionRecord]) -> list[PromotionRecord]:
    """What was approved since the last rollback, and the model rolled back to."""
    stages = [record for record in decided if record.stages]
    rollbacks = [record for record in stages if isinstance(record, RollbackRecord)]
    last = max(rollbacks, key=lambda record: record.at, default=None)
    return [record for record in stages if last is None or record is last or record.at > last.at]


def wrong_scoring(
    newest: Sequence[ObjectVersion], scorings: Iterable[Record], staged: ModelRef | None
) -> list[str]:
    """What is wrong about the newest inference data: it must be scored with the staged model.

    :param newest: of each key the newest version with sound content; of some that landed in one second, one
        will do.
    :param scorings: every decision about inference data.
    :param staged: the model that the alias names.
    """
    if staged is None or not newest:
        return []
    landed = max(version.landed_at for version in newest)
    last = [version for version in newest if version.landed_at == landed]
    scored = {
        (record.about.key, record.about.etag)
        for record in scorings
        if isinstance(record, ScoredRecord) and record.model.version == staged.version
    }
    if any((version.key, version.etag) in scored for version in last):
        return []
    return [f"{last[0].uri} is not scored with version {staged.version}, which is staged"]
