"""`iris upload`, `iris ledger`."""

from __future__ import annotations

from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from iris_core.cli import app
from iris_core.cli.screen import Screen, coloured, print_json
from iris_core.cli.stack import AsJson, local_stack

if TYPE_CHECKING:
    from iris_core.ledger import Record
    from iris_core.workspace import Workspace


class Purpose(StrEnum):
    """What an uploaded table is for."""

    train = "train"
    test = "test"


class KindName(StrEnum):
    """A kind of decision in the ledger."""

    training = "training"
    promotion = "promotion"
    scoring = "scoring"
    drift = "drift"
    action = "action"


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A CSV file.")],
    purpose: Annotated[
        Purpose, typer.Option("--as", help="train: a model learns from it; test: it is scored.")
    ] = Purpose.test,
    as_json: AsJson = False,
) -> None:
    """Put a CSV where the pipelines look; everything after that happens by itself.

    Goes to the running local stack, else to the store that MLFLOW_S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY and the TEAM_… variables name.

    Examples:

      iris upload iris_train.csv --as train

      iris upload today.csv && iris ledger --limit 3
    """
    from iris_core.local.uploads import upload as put

    version = put(workspace(), file.read_bytes(), purpose.value, file.name)
    if as_json:
        print_json({**version.model_dump(mode="json"), "uri": version.uri, "digest": version.digest})
    else:
        Screen().console.print(f"{escape(version.uri)}, {version.size:,} bytes, digest {version.digest}")


@app.command()
def ledger(
    kind: Annotated[
        list[KindName] | None, typer.Option(help="Only these decisions; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many of the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Print the newest decisions: what was trained, promoted, scored, judged, on what evidence.

    Examples:

      iris ledger

      iris ledger --kind drift --limit 1 --json | jq .[0].evidence
    """
    from iris_core.ledger import KINDS

    wanted = [name for name in KINDS if not kind or name in {chosen.value for chosen in kind}]
    records = list(islice(workspace().ledger.recent(*wanted), limit))
    if as_json:
        print_json([record.model_dump(mode="json") for record in records])
    else:
        _print_records(records)


def workspace() -> Workspace:
    """The running stack's workspace, else the environment's."""
    from iris_core.config import load_settings
    from iris_core.workspace import access_from_settings, open_workspace

    stack = local_stack()
    if stack.state:
        return stack.workspace()
    settings = load_settings()
    return open_workspace(settings, access_from_settings(settings))


def _print_records(records: list[Record]) -> None:
    console = Screen().console
    if not records:
        console.print("No decision yet. Upload something: iris upload FILE --as train")
    for record in records:
        about = record.inputs.get("object") or record.inputs.get("current") or {}
        console.print(
            f"{record.at.astimezone():%Y-%m-%d %H:%M:%S}  {record.kind:<10} {coloured(record.outcome):<10} "
            f"[dim]{about.get('key', '')}[/] {escape(_tell(record))}"
        )


def _tell(record: Record) -> str:
    if record.reason:
        return record.reason
    shown: dict[str, Any] = {
        name: value for name, value in record.evidence.items() if isinstance(value, int | float | str)
    }
    return ", ".join(f"{name} {value}" for name, value in islice(shown.items(), 4))
