"""Scoring a file on this machine with a registered model, without Airflow and ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from iris_core.errors import DataRejected, RegistryError
from iris_core.ledger import ModelRef
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.models.loading import loaded
from iris_core.models.registry import find, reference
from iris_core.scoring.counts import Counts
from iris_core.scoring.engine import require_usable, score_table
from iris_core.scoring.flow import scoring_of
from iris_core.tables import LocalInput


@dataclass(frozen=True)
class FileScored:
    """The files with the predictions and with the rejected rows (None: no row was rejected).

    `seconds` is the time that scoring took, without loading the model.
    """

    out: Path
    rejects: Path | None
    model_version: int
    counts: Counts
    seconds: float


def model_version(workspace: Workspace, named: str) -> ModelRef:
    """The version of the team's model with this number or alias.

    :raises RegistryError: there is no such version, or MLflow does not answer.
    """
    settings = workspace.settings
    name = settings.names.model
    with tracking.asking(f"Resolving {named} of {name}", settings):
        found = find(tracking.client(settings), name, named)
    if found is None:
        what = f"version {named}" if named.isdecimal() else f"alias {named!r}"
        raise RegistryError(
            f"{name} has no {what} on {settings.tracking_uri}. "
            "iris ledger --kind promotion lists the versions that were judged."
        )
    return reference(found)


def score_file(
    workspace: Workspace,
    given: LocalInput,
    named: str,
    out: Path,
    watch: Callable[[int, int], None] | None = None,
) -> FileScored:
    """Score a file into `out`; write rejected rows to `{out}.rejects.csv`. A file appears once it is whole.

    :param given: the table.
    :param named: a model version's number, or an alias.
    :param out: the file for the predictions.
    :param watch: called with (0, 0) once the model is loaded, then after each batch with the number of rows
        so far and the approximate byte of the input.
    :raises DataRejected: the table cannot be read as one, or too many rows cannot be scored.
    :raises RegistryError: there is no such model version.
    """
    settings = workspace.settings
    model = model_version(workspace, named)
    with loaded(settings, workspace.ledger, model) as found:
        how = scoring_of(workspace, found, model)
    began = time.monotonic()
    if watch:
        watch(0, 0)
    beside = out.with_name(f"{out.name}.rejects.csv")
    unfinished, rejects = (path.with_name(f"{path.name}.unfinished") for path in (out, beside))
    try:
        with unfinished.open("wb") as file, rejects.open("wb") as aside:
            how = replace(how, watch=watch, workers=os.cpu_count() or 2)
            counts = score_table(given, how, file, aside).counts
        require_usable(counts, given.where, settings.max_reject_share)
        unfinished.replace(out)
        if counts.rejected:
            rejects.replace(beside)
    except DataRejected:
        if rejects.exists() and rejects.stat().st_size:
            rejects.replace(beside)
        raise
    finally:
        for left in (unfinished, rejects):
            left.unlink(missing_ok=True)
    return FileScored(
        out=out,
        rejects=beside if counts.rejected else None,
        model_version=model.version,
        counts=counts,
        seconds=round(time.monotonic() - began, 3),
    )
