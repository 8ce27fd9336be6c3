"""Steps of bench-history besides those of the DAGs: sweeps, full looks, bare listings."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from iris_core import labels, models, monitoring, scoring, training
from iris_core.ledger.identity import Kind
from iris_core.ledger.look import Look
from iris_core.ledger.owed import unaccounted
from iris_core.ledger.reconcile import Scope, reconcile
from iris_core.ledger.source import Source
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import alerts, retraining
from iris_core.scoring.shards import inference_source
from iris_provider_minio.budget import SweepBudget
from iris_provider_minio.cursor import Rhythm

_NEXT = re.compile(rb"<Next(Key|VersionId)Marker>([^<]*)</Next")
_VERSION = b"<Version>"


def reconcile_named(workspace: Workspace, names: list[str]) -> Any:
    """The task `reconcile` of a run that events about these objects started."""
    return training.reconcile_training(workspace, Look(frozenset(names)))


def plan_named(workspace: Workspace, names: list[str]) -> Any:
    """The task `plan` of such a run."""
    return scoring.plan_handed(workspace, look=Look(frozenset(names)))


def unreported_named(workspace: Workspace, names: list[str]) -> Any:
    """The task `unreported` of a run that events about these scorings started."""
    return monitoring.plan_reports(workspace, look=Look(frozenset(names)))


def join_labels_named(workspace: Workspace, names: list[str]) -> Any:
    """The task `join_labels` of such a run."""
    return monitoring.join_labels(workspace, Look(frozenset(names)))


def conclude(workspace: Workspace, reports: list[dict[str, Any]]) -> Any:
    """The task `verdict`."""
    return monitoring.conclude(workspace, reports)


def deliver(workspace: Workspace) -> Any:
    """The task `alert`, on a channel that takes everything."""
    return alerts.deliver_owed(workspace, {"webhook": lambda _: None})


def request(workspace: Workspace) -> Any:
    """The task `request_retraining`."""
    return retraining.request(workspace)


def _memory_kb(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def sweep(workspace: Workspace) -> dict[str, float]:
    """One sweep of each watcher; how many seconds, and MB above what the process had before, they take."""
    settings = workspace.settings
    watched: list[tuple[Kind, Source]] = [
        ("training", training.training_source(settings)),
        ("scoring", inference_source(workspace)),
    ]
    if settings.project.table.key:
        watched.append(("performance", labels.labels_source(workspace)))
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before, found, budget = _memory_kb("VmRSS"), 0, SweepBudget()
    began, cpu = time.monotonic(), time.process_time()
    for kind, source in watched:
        each = time.monotonic()
        found += len(list(unaccounted(workspace.store, workspace.ledger, kind, source)))
        budget.note(kind, time.monotonic() - each)
    pauses = {kind: max(Rhythm().sweep_s, budget.pause(kind)) for kind, _ in watched}
    shares = (budget.took(kind) / (budget.took(kind) + pauses[kind]) for kind, _ in watched)
    return {
        "share": sum(shares),
        "longest_pause_s": max(pauses.values()),
        "seconds": time.monotonic() - began,
        "cpu_s": time.process_time() - cpu,
        "extra_mb": (_memory_kb("VmHWM") - before) / 1024,
        "unaccounted": found,
    }


def full_look(workspace: Workspace) -> dict[str, float]:
    """The daily look at inference data."""
    model = models.staged(workspace.settings)
    assert model
    began = time.monotonic()
    found = reconcile(workspace, Scope("scoring", inference_source(workspace), model))
    return {"seconds": time.monotonic() - began, "owed": len(found.owed)}


def bare_listing(workspace: Workspace) -> dict[str, float]:
    """All versions of inference data as the store lists them: pages are fetched, nothing is made of them."""
    source = inference_source(workspace)
    began, objects = time.monotonic(), 0
    marker: dict[str, str] = {}
    while True:
        page = _page(workspace, source, marker)
        objects += page.count(_VERSION)
        if b"<IsTruncated>true" not in page:
            return {"seconds": time.monotonic() - began, "objects": objects}
        found = dict(_NEXT.findall(page))
        key, version = (unquote(found.get(name, b"").decode()) for name in (b"Key", b"VersionId"))
        marker = {"key-marker": key, "version-id-marker": version}


def _page(workspace: Workspace, source: Source, marker: dict[str, str]) -> bytes:
    query: dict[str, str | list[str] | tuple[str]] = {"versions": "", "prefix": source.key, **marker}
    query |= {"max-keys": "1000", "encoding-type": "url"}
    answer = workspace.store.admin._execute("GET", bucket_name=source.bucket, query_params=query)
    return bytes(answer.data)
