"""`iris approve`, `iris refuse`: approve or refuse a model that waits for a human's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from iris_core.cli.deployment import open_in_person
from iris_core.cli.options import reasoned
from iris_core.cli.screen import AsJson, print_json

if TYPE_CHECKING:
    from iris_core.ledger.records.promotion import VerdictRecord
    from iris_core.ledger.workspace import Workspace

Version = Annotated[int, typer.Argument(min=1, help="The version that waits for an answer.")]
Reason = Annotated[str, typer.Option(callback=reasoned, help="The reason, for the record.")]


def approve(version: Version, reason: Reason, as_json: AsJson = False) -> None:
    """Approve a model that passed the gate: it is staged, and inference starts by itself.

    If the champion or a limit has changed since, the gate judges the model again first. Needs MLflow and the
    store. The record names RUN_OWNER, else your login, as the one who answered.

    Examples:

      iris ledger --kind promotion --outcome asked

      iris explain 4

      iris approve 4 --reason "recall of virginica is back"
    """
    from iris_core import models

    workspace = open_in_person()
    verdict = _answer(workspace, version, reason, approved=True)
    staged = models.staged(workspace.settings)
    if staged is None:
        told = f"Version {version} is approved; nothing is staged, somebody has changed that in MLflow."
    elif staged.run_id == verdict.model.run_id:
        told = f"Version {version} is approved and staged."
    else:
        told = f"Version {version} is approved; version {staged.version} is staged."
    _print(verdict, told, as_json)


def refuse(version: Version, reason: Reason, as_json: AsJson = False) -> None:
    """Refuse a model that passed the gate: the staged model stays.

    Examples:

      iris refuse 4 --reason "the spring campaign is not in the table"
    """
    verdict = _answer(open_in_person(), version, reason, approved=False)
    _print(verdict, f"Version {version} is refused.", as_json)


def _answer(workspace: Workspace, version: int, reason: str, *, approved: bool) -> VerdictRecord:
    from datetime import UTC, datetime

    from iris_core import promotion
    from iris_core.ledger.records.gate import Approval

    given = Approval(approved=approved, by=workspace.actor.owner, at=datetime.now(UTC), reason=reason)
    return promotion.answer(workspace, version, given)


def _print(verdict: VerdictRecord, told: str, as_json: bool) -> None:
    if as_json:
        print_json(verdict.model_dump(mode="json"))
    else:
        typer.echo(f"{told} {verdict.identity.path}")
