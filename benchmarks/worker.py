"""A process that has imported what tasks need, and forks one for each step that it is told: Airflow's way.

    python -m benchmarks.worker

Reads a JSON line for each step, and answers with one: what came of it, its seconds and its peak of memory,
also where the task was killed. Settings are the environment's.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iris_core import labels, monitoring, promotion, scoring, training
from iris_core.errors import DataRejected, IrisError, NothingOwed
from iris_core.ledger.workspace import Workspace, access_from_settings, open_workspace
from iris_core.scoring import flow
from iris_core.settings.variables import load_settings

EVIDENTLY = ("evidently", "evidently.metrics", "evidently.presets", "iris_core.drift.evidently_report")
HEAVY = (
    "matplotlib.figure",
    "mlflow",
    "mlflow.sklearn",
    "obstore",
    "pandas",
    "pyarrow.compute",
    "pyarrow.parquet",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.pipeline",
    "skops.io",
)


@dataclass(frozen=True)
class Task:
    """What came of one step: `outcome` is done, nothing, rejected, error, traceback or killed."""

    outcome: str
    value: Any = None
    told: str = ""
    seconds: float = 0.0
    peak_mb: float = 0.0
    objects: dict[str, list[float]] = field(default_factory=dict)
    """By key: the seconds that an object took, and the peak of memory (MB) when it was done."""


class Worker:
    """The forking process, seen from outside."""

    def __init__(self, environ: Mapping[str, str], folder: Path, *extra: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", *extra],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / f"worker{len(extra)}.log").open("wb"),
            env={**os.environ, **environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=folder,
            text=True,
        )

    def run(self, step: str, *args: Any, environ: Mapping[str, str] | None = None) -> Task:
        """Run a step in a process of its own.

        :param step: a key of `STEPS`, or `module:function` of one that takes a workspace first.
        :param args: its further arguments.
        :param environ: added to the process's environment.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([step, dict(environ or {}), *args]) + "\n")
        self._process.stdin.flush()
        return Task(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


def _score(workspace: Workspace, shard: Any) -> Any:
    return scoring.score_handed(workspace, scoring.Handed(**shard))


def _publish(workspace: Workspace, scored: Any) -> Any:
    return scoring.publish_handed(workspace, [scoring.Handed(**one) for one in scored])


STEPS: dict[str, Callable[..., Any]] = {
    "reconcile": training.reconcile_training,
    "validate": lambda workspace, work: training.validate(workspace, training.TrainingWork(**work)),
    "train": lambda workspace, work: training.train(workspace, training.TrainingWork(**work)),
    "register": lambda workspace, work: promotion.register_step(
        workspace, training.TrainingWork(**work).identity
    ),
    "plan": scoring.plan_handed,
    "score": _score,
    "publish": _publish,
    "plan_reports": monitoring.plan_reports,
    "report": monitoring.report,
    "join_labels": monitoring.join_labels,
}


def _named(step: str) -> Callable[..., Any]:
    if step in STEPS:
        return STEPS[step]
    module, _, name = step.partition(":")
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


def _as_json(value: Any) -> Any:
    """As an XCom holds it."""
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _timed(objects: dict[str, list[float]]) -> Iterator[None]:
    """Note what each object of a pack, or each file of labels, takes."""
    score, measure = flow._score, labels.measure

    def noted(call: Callable[..., Any], key: str, *args: Any) -> Any:
        began = time.monotonic()
        try:
            return call(*args)
        finally:
            objects[key] = [round(time.monotonic() - began, 3), round(_peak_mb(), 1)]

    flow._score = lambda *args: noted(score, args[1].object.key, *args)
    labels.measure = lambda *args: noted(measure, args[1].object.key, *args)
    yield


def _run(step: str, args: list[Any]) -> dict[str, Any]:
    objects: dict[str, list[float]] = {}
    settings = load_settings()
    try:
        workspace = open_workspace(settings, access_from_settings(settings))
        with _timed(objects):
            return {"outcome": "done", "value": _as_json(_named(step)(workspace, *args)), "objects": objects}
    except NothingOwed as error:
        return {"outcome": "nothing", "told": str(error), "objects": objects}
    except DataRejected as error:
        return {"outcome": "rejected", "told": str(error), "objects": objects}
    except IrisError as error:
        return {"outcome": "error", "told": f"{type(error).__name__}: {error}", "objects": objects}
    except BaseException:  # noqa: BLE001 - it is what is measured
        return {"outcome": "traceback", "told": traceback.format_exc()[-4000:], "objects": objects}


def _forked(step: str, environ: Mapping[str, str], args: list[Any], answer: Path) -> Task:
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        try:
            os.environ.update(environ)
            answer.write_text(json.dumps(_run(step, args)))
        finally:
            os._exit(0)
    _, status, usage = os.wait4(pid, 0)
    measured: dict[str, Any] = {
        "seconds": round(time.monotonic() - began, 3),
        "peak_mb": round(usage.ru_maxrss / 1024, 1),
    }
    if not answer.exists():
        return Task("killed", told=f"status {status}", **measured)
    found = json.loads(answer.read_text())
    answer.unlink()
    return Task(**found, **measured)


def main() -> None:
    """Import, then fork until nothing more is asked for."""
    logging.disable(logging.INFO)
    for name in (*HEAVY, *(EVIDENTLY if "--evidently" in sys.argv else ())):
        __import__(name)
    # As the processes of our stack do that fork tasks (`iris_airflow.local_settings`).
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="iris-task-") as folder:
        for line in sys.stdin:
            step, environ, *args = json.loads(line)
            print(json.dumps(vars(_forked(step, environ, args, Path(folder) / "answer.json"))), flush=True)


if __name__ == "__main__":
    main()
