"""`iris upload`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from iris_core.cli.deployment import deployed_workspace
from iris_core.cli.screen import AsJson, Screen, print_json


class Purpose(StrEnum):
    """The purpose of an uploaded table."""

    train = "train"
    test = "test"
    labels = "labels"


def upload(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV (gzip, too) or Parquet."),
    ],
    purpose: Annotated[
        Purpose,
        typer.Option(
            "--as",
            help="train: to train a model; test: to be scored; labels: true labels of past predictions.",
        ),
    ] = Purpose.test,
    as_json: AsJson = False,
) -> None:
    """Upload a table to the key that the pipelines watch; everything after that happens by itself.

    The table goes to the running local stack, else to the store that MLFLOW_S3_ENDPOINT_URL,
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the variables that begin with TEAM name.

    Examples:

      iris upload iris_train.csv --as train

      iris upload today.csv && iris ledger --limit 3

      iris upload answers.csv --as labels
    """
    from iris_core.store import uploads

    workspace = deployed_workspace()
    version = uploads.upload(workspace.store, workspace.settings, file.read_bytes(), purpose.value, file.name)
    if as_json:
        print_json({**version.model_dump(mode="json"), "uri": version.uri, "digest": version.digest})
    else:
        Screen().console.print(f"{escape(version.uri)}, {version.size:,} bytes, digest {version.digest}")
