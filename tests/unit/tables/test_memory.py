"""What has been freed leaves the process: measured in one of its own."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="Only glibc is asked for what it keeps."),
]

PROGRAM = """
import json
import sys
from pathlib import Path

import pyarrow as pa
from iris_core.tables import LocalInput, Wanted, read

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20

def blocks(batch):
    return [bytes(8192) for _ in range(20_000)]

table = read(LocalInput(Path(sys.argv[1])), Wanted(features=("x",)), block_bytes=2)
kept, most = [], 0
for result in table.each(blocks):
    most = max(most, held())
    kept += result[::1000]
    del result
print(json.dumps([most - held(), pa.default_memory_pool().backend_name]))
"""


def test_what_a_table_took_is_given_back_once_it_is_read(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("x\n1\n2\n3\n4\n", encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, str(table)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    given_back_mb, pool = json.loads(done.stdout)
    assert given_back_mb > 100
    assert pool == "system"
