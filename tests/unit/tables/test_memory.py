"""What has been freed leaves the process: measured in one of its own."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="Only glibc is asked for what it keeps."),
]

PROGRAM = """
import json
import pyarrow as pa
from iris_core.tables.memory import spared_memory

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20

with spared_memory():
    blocks = [bytes(8192) for _ in range(20_000)]
    kept = blocks[::1000]
    del blocks
    before = held()
print(json.dumps([before - held(), pa.default_memory_pool().backend_name]))
"""


def test_memory_that_small_blocks_keep_from_the_system_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    given_back_mb, pool = json.loads(done.stdout)
    assert given_back_mb > 100
    assert pool == "system"
