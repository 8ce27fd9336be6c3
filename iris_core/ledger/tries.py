"""An unforeseen error stops only the object it happened to; after `MAX_TRIES` it is recorded as `failed`.

A try that ends with such an error is noted below the ledger. A try whose process is killed (memory, SIGKILL)
can note nothing: so a task that Airflow tries again notes each try before it begins. A task's first try needs
no request.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import NamedTuple

from iris_core.errors import (
    DecidedElsewhere,
    IrisError,
    ObjectMissing,
    RegistryError,
    StoreError,
    TryFailed,
)
from iris_core.ledger.identity import Identity, Kind
from iris_core.ledger.ledger import Ledger
from iris_core.ledger.records.base import Record
from iris_core.ledger.records.objects import FailedRecord, RejectedRecord, ReopenedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.settings.masking import masked, secrets_of
from iris_core.store.objects import ObjectStore
from iris_core.store.versions import Address, ObjectVersion, parse_address

log = logging.getLogger(__name__)

LONGEST_SENTENCE = 300
MOST_VERSIONS = 100
"""So many versions of an object are looked at for failed decisions."""
OF_OBJECTS: tuple[Kind, ...] = ("training", "scoring", "performance")
"""Kinds of decision whose subject is an object version."""
_ENDS = (KeyboardInterrupt, SystemExit, GeneratorExit, ConnectionError, TimeoutError)
_OTHERS = frozenset({"airflow", "asyncio", "mlflow", "requests", "urllib3"})
"""Packages whose errors are Airflow's control flow, or mean that a server does not answer."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})
"""Errors of the machine, whatever object they happen to."""


@dataclass(frozen=True)
class Tried:
    """A decision that is worked on, and the inputs for its record.

    :param part: the shard of the object, empty for the whole.
    """

    identity: Identity
    inputs: FailedRecord.Inputs
    part: str = ""

    @property
    def object(self) -> ObjectVersion:
        return self.inputs.object


@contextmanager
def one_try(workspace: Workspace, about: Tried) -> Iterator[None]:
    """One try at a decision; an unforeseen error is noted, and recorded once `MAX_TRIES` are used up.

    Our own errors, an outage among them, pass through and do not count.

    :raises TryFailed: an unforeseen error ended the try; another run tries again.
    :raises GivenUp: an unforeseen error ended the last try; recorded as `failed`.
    :raises DataRejected: so it did, and another attempt had recorded that the object is rejected.
    :raises DecidedElsewhere: so it did, and another attempt had made the decision.
    """
    is_noted = workspace.actor.try_number > 1
    if is_noted:
        _begin(workspace, about)
    try:
        yield
    except BaseException as error:
        if is_unforeseen(error):
            raise _failed(workspace, about, error) from error
        # A timeout counts as a try that was killed: work that is too slow each time must be given up, too.
        if is_noted and type(error).__name__ != "AirflowTaskTimeout":
            with suppress(StoreError):
                _note(workspace, about, "ended")
        raise
    if is_noted:
        _note(workspace, about, "ended")


def is_unforeseen(error: BaseException) -> bool:
    """Whether an error may be the fault of an object, of a kind that Iris has no message for."""
    if isinstance(error, (IrisError, *_ENDS)) or isinstance(error.__cause__, StoreError | RegistryError):
        return False
    if isinstance(error, OSError) and error.errno in _FULL:
        return False
    return type(error).__module__.partition(".")[0] not in _OTHERS


def standing_or_next(ledger: Ledger, wanted: Identity) -> tuple[Record | None, Identity]:
    """A decision's record, None if there is none or it was reopened; and the identity of the next one.

    :param wanted: the identity of the first decision.
    """
    standing = ledger.get(wanted)
    if not isinstance(standing, FailedRecord):
        return standing, wanted
    alike = ledger.of_subject(wanted.kind, wanted.day, wanted.subject)
    mine = [record for record in alike if record.variant.base == wanted.variant.base]
    return (None, wanted.again(len(mine))) if isinstance(mine[-1], ReopenedRecord) else (mine[-1], wanted)


def reopen(workspace: Workspace, uri: str, reason: str) -> list[ReopenedRecord]:
    """Reopen the failed decisions about an object, so that they are owed again.

    :param uri: the object's address; without a version it stands for its newest `MOST_VERSIONS` versions.
    :param reason: the reason, for the record.
    :returns: the records of what was reopened.
    :raises ObjectMissing: no decision about the object failed, or all are reopened already.
    """
    ledger = workspace.ledger
    opened: list[ReopenedRecord] = []
    for version in _named(workspace.store, parse_address(uri)):
        for failed in _failed_about(ledger, version):
            again = ReopenedRecord(
                identity=failed.last.identity.again(failed.decisions),
                by=workspace.actor,
                reason=reason,
                inputs=failed.last.inputs,
                points_to=failed.last.identity.path,
            )
            if ledger.commit(again).won:
                opened.append(again)
    if not opened:
        raise ObjectMissing(f"Nothing of {uri} is recorded as failed. See: iris ledger --outcome failed")
    return opened


def _named(store: ObjectStore, wanted: Address) -> Iterator[ObjectVersion]:
    """The versions that an address stands for, newest first."""
    listed = takewhile(lambda item: item.key == wanted.key, store.versions(wanted.bucket, wanted.key))
    found = (item for item in listed if wanted.version_id in (None, item.version_id))
    return (item.object for item in islice(found, MOST_VERSIONS))


class _Failed(NamedTuple):
    """A decision that failed and was not reopened, and how many decisions with its base there are."""

    last: FailedRecord
    decisions: int


def _failed_about(ledger: Ledger, version: ObjectVersion) -> Iterator[_Failed]:
    """What failed about a version: decisions about it, about its model's promotion, about its drift."""
    for kind in OF_OBJECTS:
        records = ledger.of_subject(kind, version.landed_at.date(), version.digest)
        yield from _failed_among(records)
        for record in records:
            if follows := _next_of(record):
                yield from _failed_among(ledger.of_subject(follows.kind, follows.day, follows.subject))


def _next_of(record: Record) -> Identity | None:
    if isinstance(record, TrainedRecord):
        return Identity.of_promotion(record.run_id, record.at)
    return Identity.of_drift(record.identity, record.at) if isinstance(record, ScoredRecord) else None


def _failed_among(records: Sequence[Record]) -> Iterator[_Failed]:
    """Those records about one subject that failed and are the last ones of their base.

    :param records: oldest first.
    """
    counts = Counter(record.variant.base for record in records)
    last = {record.variant.base: record for record in records}
    for base, record in last.items():
        if isinstance(record, FailedRecord):
            yield _Failed(record, counts[base])


def _begin(workspace: Workspace, about: Tried) -> None:
    tries = workspace.ledger.tries(about.identity)
    if tries >= workspace.settings.max_tries:
        why = "the task that worked on it was ended from outside each time, as it is for want of memory"
        raise _given_up(workspace, about, FailedRecord.Evidence(error="killed", place="", tries=tries), why)
    _note(workspace, about, "begun")


def _failed(workspace: Workspace, about: Tried, error: BaseException) -> IrisError:
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    secrets = (workspace.store.access.secret_access_key, *secrets_of(workspace.settings))
    said = masked(" ".join(str(error).split()), secrets)[:LONGEST_SENTENCE]
    place = _place(error)
    why = f"{kind} at {place}: {said}"
    _note(workspace, about, "failed", why)
    tries, most = workspace.ledger.tries(about.identity), workspace.settings.max_tries
    log.warning("%s: %s", about.object.uri, why, exc_info=error)
    if tries >= most:
        found = FailedRecord.Evidence(error=kind, place=place, tries=tries)
        return _given_up(workspace, about, found, why)
    return TryFailed(f"{about.object.uri}: {why}. Try {tries} of {most} (MAX_TRIES); it is tried again.")


def _given_up(workspace: Workspace, about: Tried, found: FailedRecord.Evidence, why: str) -> IrisError:
    uri = about.object.uri
    record = FailedRecord(
        identity=about.identity,
        by=workspace.actor,
        reason=f"{uri}: {why}. Given up after {found.tries} tries (MAX_TRIES). Once the cause is mended: "
        f"{workspace.settings.command} retry '{uri}' --reason …",
        inputs=about.inputs,
        evidence=found,
    )
    standing = workspace.ledger.commit(record).record
    if isinstance(standing, FailedRecord | RejectedRecord):
        return standing.as_error()
    return DecidedElsewhere(f"{uri} is {standing.outcome}. {standing.reason}".rstrip())


def _note(workspace: Workspace, about: Tried, what: str, why: str = "") -> None:
    by = workspace.actor
    told = "\n".join((by.dag_id, by.run_id, by.task_id, str(by.try_number)))
    name = hashlib.sha256(told.encode()).hexdigest()[:12]
    workspace.ledger.note_try(about.identity, name, about.part, what, f"{told}\n{why}\n".encode())


def _place(error: BaseException) -> str:
    """Module and line of an error: the line of our code nearest to its origin, else the origin itself."""
    frames = traceback.extract_tb(error.__traceback__)
    here = Path(__file__).parents[1]
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(here)]
    if not frames:
        return "an unknown place"
    frame = (ours or frames)[-1]
    path = Path(frame.filename)
    shown = path.relative_to(here.parent) if ours else Path(path.name)
    return f"{'.'.join(shown.with_suffix('').parts)}:{frame.lineno}"
