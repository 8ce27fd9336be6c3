"""Polls the registry's alias: a model staged by hand starts inference like one staged by the training DAG.

`iris_provider_minio.alias` says why it polls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from iris_core.ledger import Identity, Ledger, ModelRef, Outcome
from iris_core.ledger.source import Source
from iris_core.models.registry import ALIAS, APPLIED_TAG, VERDICT_TAG, reference_of
from iris_core.store.objects import ObjectStore, ObjectVersion
from iris_provider_minio.alias import RegistryAccess, RegistryAlias


@dataclass(frozen=True)
class Staged:
    """The version that the alias names, and when the pipeline staged it (None: somebody else did)."""

    model: ModelRef
    promoted_at: datetime | None = None

    def announced_by_pipeline(self, grace_s: float) -> bool:
        """Whether the training DAG staged this within the last `grace_s` seconds, and announces it itself."""
        if self.promoted_at is None:
            return False
        return datetime.now(UTC) - self.promoted_at < timedelta(seconds=grace_s)


@dataclass(frozen=True)
class Unscored:
    """An object that the staged version has not scored yet, in the form that a watch announces."""

    digest: str
    uri: str
    landed_at: datetime


class AliasPoll(RegistryAlias):
    """Polls the alias `staging` of one model; remembers the last answer.

    :param tracking_uri: MLflow's address, `http(s)://…`.
    :param model: the name of the registered model.
    :param poll_s: seconds between two requests.
    :param login: user name and password, if MLflow wants them.
    """

    def __init__(
        self, tracking_uri: str, model: str, poll_s: float, login: tuple[str, str] | None = None
    ) -> None:
        super().__init__(RegistryAccess(tracking_uri, login), model, ALIAS, poll_s)
        self.staged: Staged | None = None

    def receive(self, version: dict[str, object] | None) -> None:
        """Take an answer, and when the pipeline staged the version that it names."""
        super().receive(version)
        self.staged = _staged(version) if version else None

    def identity(self) -> object:
        """The model that is staged."""
        return self.staged.model if self.staged else None


def _staged(version: dict[str, object]) -> Staged:
    listed = version.get("tags") or []
    tags = {str(tag["key"]): str(tag["value"]) for tag in listed}  # type: ignore[attr-defined]
    run_id = str(version.get("run_id") or "")
    model = reference_of(str(version["name"]), str(version["version"]), run_id, tags)
    if tags.get(VERDICT_TAG) != Outcome.PROMOTED:
        return Staged(model)
    applied = tags.get(APPLIED_TAG)
    return Staged(model, datetime.fromisoformat(applied) if applied else datetime.now(UTC))


def unscored(
    poll: AliasPoll,
    store: ObjectStore,
    ledger: Ledger,
    source: Source,
    grace_s: float,
    rescore: str = "newest",
) -> Iterator[Unscored]:
    """Objects that the staged version must score again and has not scored yet. Read-only.

    :param poll: knows the staged version.
    :param store: where the objects are listed.
    :param ledger: where the scorings are recorded.
    :param source: where inference data lands.
    :param grace_s: seconds; if the training DAG staged the version within this time, its own asset event
        starts inference, and nothing is yielded.
    :param rescore: `RESCORE`: the `newest` object, `all` or `none`.
    """
    staged = poll.staged
    if staged is None or staged.announced_by_pipeline(grace_s):
        return
    variant = staged.model.variant
    for version in _scored_again(store, source, rescore):
        if ledger.get(Identity.of_object("scoring", version, variant)) is None:
            yield Unscored(f"{version.digest}-{variant}", version.uri, version.landed_at)


def _scored_again(store: ObjectStore, source: Source, rescore: str) -> Iterator[ObjectVersion]:
    if rescore == "none":
        return
    if rescore == "all":
        newest_of_each = (versions[0] for _, versions in source.by_key(store))
        yield from (item.object for item in newest_of_each if item.is_current)
    elif newest := source.newest(store):
        yield newest
