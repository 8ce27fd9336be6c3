"""An object store for the local stack and the tests: moto's S3 with MinIO's listen API, stored on disk.

It answers the requests of the stack, MLflow, Airflow, the demo and their clients (calls.py). It answers
NotImplemented to all others: post forms, SigV2, object locks, ACLs, policies, encryption, replication,
suspended versioning … Content survives a restart on the same directory, even after a kill (disk.py).
Signatures and the secret key are not verified. The store is for demos and tests, not for production.

Events, answers and listings are those of MinIO (RELEASE.2025-10-15T17-29-55Z) except:
- deleting an object whose newest version is a delete marker adds another marker (MinIO returns the old one);
- in a versioned bucket, a bulk delete of a missing key makes no marker, and one of a folder marker makes one;
the events are those of single deletes (MinIO also sends ObjectRemoved:Delete for a missing key);
- prefix and suffix of a listener are literal; a listener that stops reading is disconnected after
  `listeners.QUEUE_LIMIT` events (MinIO drops them silently);
- checksums and Content-MD5 are not verified.
Each page of a listing takes time in proportion to the whole bucket: moto filters and sorts all keys.
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
    """Run a store as a separate process until the block ends; yields its endpoint URL. The data stays.

    :param data: directory for the objects; created if missing.
    :param access_key: the accepted access key, or several, separated by commas.
    :param port: port of the loopback interface; 0 chooses a free one.
    :raises StackError: the store does not start; the reason is on standard error.
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
