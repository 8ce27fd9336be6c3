"""Run a script of uploads and faults against a stack of its own, wait until it rests, audit."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.poison import MARKER
from benchmarks.poison.sending import NotTaken, send
from devstack.stack import Stack
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.errors import IrisError
from iris_core.ledger.workspace import Workspace
from iris_core.store.uploads import landing_key
from iris_core.store.versions import ObjectVersion
from tests.chaos import breaking, script
from tests.chaos.audit import Audit, audit, owed
from tests.chaos.looks import Held, Looks

log = logging.getLogger(__name__)

Tell = Callable[[str], None]
AHEAD = 0.05
INBOX = {"TEAM_S3_TEST_KEY": "iris/inbox/"}
"""Variables of a stack that hostile objects are thrown at: beside sound inference data, too."""


@dataclass(frozen=True)
class Parameters:
    """How long and how hard; `settle_s` bounds the wait for what is owed after the last fault.

    With `outage_s`, MLflow, the store and the api-server are away that long, once each, on top of the kills.
    `poison` hostile objects come on top of the uploads; they want a prefix for inference data (`INBOX`).
    The stack's variables must be those of `looks`.
    """

    seed: int = 1
    uploads: int = 200
    kills: int = 30
    outage_s: float = 0.0
    settle_s: float = 1800.0
    poison: int = 0
    looks: Looks = Looks.named


@dataclass
class Outcome:
    """What happened, and what the audit found."""

    parameters: Parameters
    audit: Audit
    seconds: float
    faults: list[str]
    left: str
    poison: int = 0
    """Hostile objects that the store took: of some keys it does not."""
    early: list[str] = field(default_factory=list)
    """Full looks that should have waited for the last upload."""

    @property
    def ok(self) -> bool:
        return self.audit.clean and not self.left and not self.early

    def quantile(self, share: float) -> float | None:
        """Latency from the acknowledged PUT to the decision, in seconds."""
        known = sorted(self.audit.latencies)
        return round(known[min(len(known) - 1, int(share * len(known)))], 2) if known else None


@dataclass
class Uploader:
    """Puts what the script says; an upload that is not acknowledged is tried again until it is."""

    workspace: Workspace
    tell: Tell
    acknowledged: dict[str, datetime] = field(default_factory=dict)
    """When each upload of data was acknowledged, by the version's digest."""
    sound: set[str] = field(default_factory=set)
    """Etags of what every step must use."""
    poison: int = 0
    error: BaseException | None = None
    faults_done: float = 0.0
    """The share of the faults that is over: uploads keep step, so that they last as long."""

    def run(self, uploads: Sequence[script.Upload]) -> None:
        try:
            for number, upload in enumerate(uploads):
                time.sleep(upload.pause_s)
                while (
                    upload.pause_s > 1.0 / script.BURST and number / len(uploads) > self.faults_done + AHEAD
                ):
                    time.sleep(0.2)
                self._put(upload)
        except BaseException as error:
            self.error = error
            raise

    def _put(self, upload: script.Upload) -> None:
        settings, store = self.workspace.settings, self.workspace.store
        key = landing_key(settings, upload.purpose, upload.name)
        while True:
            try:
                if upload.data is None:
                    store.delete(settings.bucket, key)
                else:
                    self._note(upload, send(store.access, settings.bucket, key, upload.data))
            except NotTaken as error:
                self.tell(f"not taken, {upload.hostile}: {error}")
                return
            except IrisError as error:
                log.info("not acknowledged, trying again: %s", error)
                time.sleep(0.5)
            else:
                return

    def _note(self, upload: script.Upload, version: ObjectVersion) -> None:
        if upload.hostile != MARKER:
            self.acknowledged[version.digest] = datetime.now(UTC)
        if upload.is_sound:
            self.sound.add(version.etag)
        if upload.hostile:
            self.poison += 1
            self.tell(f"thrown in: {upload.hostile} as {upload.purpose}, {version.size:,} bytes")


def embedded_only(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which the stack finds no real MinIO."""
    folders = environ.get("PATH", "").split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if not (Path(folder) / "minio").exists())
    return {name: value for name, value in environ.items() if name != "MINIO_BIN"} | {"PATH": path}


def run(stack: Stack, parameters: Parameters, tell: Tell) -> Outcome:
    """Upload, break, wait, audit. The stack runs before and after."""
    state = stack.state
    assert state is not None, "the stack does not run"
    workspace, airflow = stack.workspace(), AirflowApi(state.endpoints["airflow"])
    held = Held.begin(stack, airflow) if parameters.looks is Looks.named_only else None
    began = time.monotonic()
    uploader = Uploader(workspace, tell)
    thread = threading.Thread(target=uploader.run, args=(_uploads(workspace, parameters),), daemon=True)
    thread.start()
    committed = _break(stack, airflow, parameters, uploader, tell)
    uploader.faults_done = 1.0
    while thread.is_alive():
        thread.join(5)
        tell(f"{len(uploader.acknowledged)} uploads acknowledged")
    if uploader.error:
        raise uploader.error
    early = []
    if held:
        tell(f"full looks begin; owed until then: {owed(workspace) or 'nothing'}")
        early = held.release()
    left = _settle(stack, workspace, airflow, parameters.settle_s, tell)
    found = audit(workspace, uploader.acknowledged, uploader.sound)
    return Outcome(parameters, found, time.monotonic() - began, committed, left, uploader.poison, early)


def _uploads(workspace: Workspace, parameters: Parameters) -> list[script.Upload]:
    table, seed = workspace.settings.project.table, parameters.seed
    planned = list(script.uploads(table, seed, parameters.uploads))
    return script.poisoned(table, seed, planned, parameters.poison)


def _break(
    stack: Stack, airflow: AirflowApi, parameters: Parameters, uploader: Uploader, tell: Tell
) -> list[str]:
    names = stack.workspace().settings.names
    dags = [names.training_dag, names.inference_dag, names.drift_dag]
    chance = random.Random(f"victims-{parameters.seed}")
    done = []
    faults = script.faults(dags, parameters.seed, parameters.kills, parameters.outage_s)
    for fault in faults:
        time.sleep(fault.pause_s)
        what = breaking.commit(fault, stack, airflow, chance)
        done.append(what)
        uploader.faults_done = len(done) / len(faults)
        tell(f"fault {len(done)} of {len(faults)}: {what}")
    return done


def _settle(stack: Stack, workspace: Workspace, airflow: AirflowApi, bound_s: float, tell: Tell) -> str:
    """Wait until nothing is owed and nothing runs; what is left when the bound is reached, or who died."""
    until = time.monotonic() + bound_s
    said, left = "", "not looked yet"
    while time.monotonic() < until:
        if died := _died(stack):
            return died
        try:
            left = owed(workspace) or _under_way(airflow)
        except IrisError as error:
            left = str(error)
        if not left:
            return ""
        if left != said:
            tell(f"waiting: {left}")
            said = left
        time.sleep(2)
    return left


def _died(stack: Stack) -> str:
    """Who ended without being killed: everything that was killed has been started again."""
    state = stack.state
    ended = set(state.components) - set(state.alive()) if state else set()
    return f"{', '.join(sorted(ended))} died by itself" if ended else ""


def _under_way(airflow: AirflowApi) -> str:
    running = airflow.get("/dags/~/dagRuns", state=["queued", "running"], limit=1)["total_entries"]
    return f"{running} runs are under way" if running else ""
