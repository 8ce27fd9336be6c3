"""The demo's two acts: an upload that leads to a new model, and a shifted upload that raises the severity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from devstack.hops import Hop, HopMissing, HopName, Sight, is_about, seconds_between
from iris_core.ledger import Outcome, Record
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectVersion
from iris_core.store.uploads import Purpose, upload

Wanted = TypeVar("Wanted", bound=Record)
ActName = Literal["clean", "shifted"]


@dataclass
class Act:
    """The hops of one upload that have been seen so far; `told` is called with each of them."""

    name: ActName
    told: Callable[[Hop], None] = lambda _: None
    severity: str | None = None
    hops: list[Hop] = field(default_factory=list)
    report_uri: str = ""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def saw(self, name: HopName, at: datetime, **facts: Any) -> None:
        """Note a hop.

        :param name: the hop.
        :param at: when it happened.
        :param facts: JSON-able details.
        """
        hop = Hop(name, seconds_between(self.began, at), facts)
        self.hops.append(hop)
        self.told(hop)


@dataclass(frozen=True)
class Director:
    """Plays acts in one workspace, and waits for their hops."""

    workspace: Workspace
    sight: Sight

    def clean(self, act: Act, training: bytes, inference: bytes) -> None:
        """Upload both tables; wait until a model is trained and staged and has scored the inference table.

        :param act: notes the hops.
        :param training: the training table.
        :param inference: the inference table.
        :raises HopMissing: a hop did not arrive, or was refused.
        """
        names = self.workspace.settings.names
        act.began = datetime.now(UTC)
        version = self._upload(act, training, "train")
        scored_version = self._put(inference, "test")
        self._run_started(act, names.training_dag)
        self._validated(act, names.training_dag)
        trained = self._decided(act, "trained", names.training_dag, TrainedRecord, version)
        found = trained.evidence
        act.saw("trained", trained.at, accuracy=found.accuracy, rows=found.rows, run_id=trained.run_id)
        run_id = self._staged(act, version)
        self._scored_and_judged(act, scored_version, run_id)

    def shifted(self, act: Act, inference: bytes) -> None:
        """Upload a shifted inference table; wait until it is scored with the staged model and judged.

        :raises HopMissing: a hop did not arrive, or was refused.
        """
        act.began = datetime.now(UTC)
        version = self._upload(act, inference, "test")
        self._run_started(act, self.workspace.settings.names.inference_dag)
        self._scored_and_judged(act, version, None)

    def _upload(self, act: Act, data: bytes, purpose: Purpose) -> ObjectVersion:
        version = self._put(data, purpose)
        act.saw("landed", datetime.now(UTC), object=version.uri, bytes=version.size)
        return version

    def _put(self, data: bytes, purpose: Purpose) -> ObjectVersion:
        workspace = self.workspace
        return upload(workspace.store, workspace.settings, data, purpose, f"iris_{purpose}.csv")

    def _run_started(self, act: Act, dag_id: str) -> None:
        run = self.sight.wait_for(
            "run_started", dag_id, act.began, lambda: self.sight.run_started(dag_id, act.began)
        )
        at = run.pop("at")
        act.saw("run_started", at, **run)

    def _validated(self, act: Act, dag_id: str) -> None:
        task = self.sight.wait_for(
            "validated", dag_id, act.began, lambda: self.sight.task_done(dag_id, "validate", act.began)
        )
        act.saw("validated", task.end_date or datetime.now(UTC), run=task.dag_run_id)

    def _staged(self, act: Act, training: ObjectVersion) -> str | None:
        """Wait for the gate's verdict; return the run of the new model, None if the gate refused it."""
        dag_id = self.workspace.settings.names.training_dag
        verdict = self._decided(act, "staged", dag_id, VerdictRecord, training)
        facts = {"model": verdict.model.name, "version": str(verdict.model.version)}
        if verdict.outcome == Outcome.REFUSED:
            act.saw("staged", verdict.at, **facts, refused=verdict.reason)
            return None
        act.saw("staged", verdict.at, **facts)
        return verdict.inputs.run_id

    def _scored_and_judged(self, act: Act, version: ObjectVersion, model_run: str | None) -> None:
        names = self.workspace.settings.names
        scored = self._decided(act, "scored", names.inference_dag, ScoredRecord, version, model_run)
        act.saw(
            "scored",
            scored.at,
            rows=scored.evidence.rows,
            accuracy=scored.evidence.accuracy,
            object=scored.about.uri,
            model=scored.model.name,
            model_version=str(scored.model.version),
        )
        path = scored.identity.path
        drift = self.sight.wait_for(
            "drift",
            names.drift_dag,
            act.began,
            lambda: self.sight.decided(
                "drift",
                act.began,
                lambda it: it if isinstance(it, BatchDriftRecord) and it.inputs.scoring == path else None,
            ),
        )
        act.severity = drift.outcome
        act.report_uri = drift.outputs.report_html
        act.saw("drift", drift.at, severity=drift.outcome, sentence=drift.reason, report=act.report_uri)

    def _decided(
        self,
        act: Act,
        hop: HopName,
        dag_id: str,
        wanted: type[Wanted],
        version: ObjectVersion,
        model_run: str | None = None,
    ) -> Wanted:
        """Wait for the decision about an object version, with the model of `model_run` if that is given."""

        def matches(record: Record) -> Record | None:
            same_model = model_run is None or (record.model and record.model.run_id == model_run)
            is_final = record.outcome != Outcome.SUPERSEDED
            return record if is_about(record, version) and same_model and is_final else None

        record = self.sight.wait_for(
            hop, dag_id, act.began, lambda: self.sight.decided(wanted.KIND, act.began, matches)
        )
        if not isinstance(record, wanted):
            raise HopMissing(hop, f"the ledger says {record.outcome}: {record.reason}")
        return record
