"""Lineage costs nothing while nobody collects it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

OFF = """
import json, sys
from iris_airflow.lineage import telling
with telling(None, print, ()) as tell:
    tell("result")
heavy = ("airflow.sdk.lineage", "iris_core.history", "openlineage", "airflow.providers.amazon.aws.assets.s3")
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


@pytest.mark.parametrize(("transport", "collects"), [("", False), ('{"type": "console"}', True)])
def test_nothing_is_computed_or_imported_while_nobody_collects(
    transport: str, collects: bool, tmp_path: Path
) -> None:
    environ = {
        "PATH": "/usr/bin:/bin",
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__OPENLINEAGE__TRANSPORT": transport,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }
    done = subprocess.run(
        [sys.executable, "-c", OFF], env=environ, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert ("airflow.sdk.lineage" in found) is collects
    assert collects or not found
