"""An object store for the local stack and the tests: moto's S3 with MinIO's listen API, kept on disk.

Answers what the stack, MLflow, Airflow, the demo and their clients ask for (calls.py), and NotImplemented to
the rest: post forms, SigV2, object locks, ACLs, policies, encryption, replication, suspended versioning …
Content survives a restart on the same directory, a kill included (disk.py). Signatures and the secret key are
not verified. For demos and tests, not for production.

Events, answers and listings are those of MinIO (RELEASE.2025-10-15T17-29-55Z) except:
- deleting an object whose newest version is a delete marker adds another marker (MinIO returns the old one);
- a bulk delete of a missing key in a versioned bucket makes no marker, of a folder marker there makes one;
  its events are those of single deletes (MinIO says ObjectRemoved:Delete of a missing key, too);
- prefix and suffix of a listener are literal; a listener that stops reading is disconnected after
  `listeners.QUEUE_LIMIT` events (MinIO drops them silently);
- checksums and Content-MD5 are not verified.
Each page of a listing costs time in proportion to the whole bucket (moto filters and sorts all keys).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iris_core.errors import StackError


@contextmanager
def embedded_s3(data: Path, *, access_key: str, port: int = 0) -> Iterator[str]:
    """Run a store as a process of its own; yields its endpoint URL. It ends with the block, its data stays.

    :param data: directory for the objects; made if missing.
    :param access_key: the access key that is let in; several, separated by commas.
    :param port: of the loopback interface; 0 takes a free one.
    :raises StackError: it does not start; it has said why on standard error.
    """
    command = [sys.executable, "-P", "-m", "devstack.embedded_s3", "--data", str(data), "--port", str(port)]
    command += ["--access-key", access_key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("listening on "):
                raise StackError(f"The embedded store on {data} did not start.")
            yield line.split()[-1]
        finally:
            process.kill()
