"""`python -m devstack.embedded_s3`: the embedded store as a process of its own."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from devstack.embedded_s3 import EmbeddedS3
from iris_core.errors import IrisError

_EPILOG = """
Clients use path-style addressing, any region and any secret key; signatures are not verified, only the
access key is compared. So stay on the loopback interface. Data survives a restart and kill -9, not a power
failure.

  AWS_ACCESS_KEY_ID=iris python -m devstack.embedded_s3 --data .iris/s3
  curl -i http://127.0.0.1:9000/minio/health/live

Prints one line, `listening on http://127.0.0.1:9000`, when it is ready. SIGTERM and SIGINT end it.
Exit code 2: it could not start; the reason is on stderr.
"""


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.ERROR, format="%(message)s")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    store = EmbeddedS3(
        arguments.data, access_key=arguments.access_key, host=arguments.host, port=arguments.port
    )
    try:
        store.start()
    except IrisError as error:
        print(f"embedded S3: {error}", file=sys.stderr)
        return 2
    print(f"listening on {store.endpoint_url}", flush=True)
    stopped.wait()
    # Nothing to put in order: the journal is made for kill -9, and an orderly end would only take longer.
    os._exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devstack.embedded_s3",
        description="An S3 store with MinIO's bucket notifications (listen API) for the local stack.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="directory for the objects; made if missing")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=9000, help="port; 0 takes a free one (default: 9000)")
    parser.add_argument(
        "--access-key",
        default=os.environ.get("AWS_ACCESS_KEY_ID", ""),
        help="the access keys that are let in, separated by commas (default: $AWS_ACCESS_KEY_ID)",
    )
    parser.add_argument("--verbose", action="store_true", help="log each request to stderr")
    return parser


if __name__ == "__main__":
    sys.exit(main())
