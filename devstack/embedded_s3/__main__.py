"""`python -m devstack.embedded_s3`: the embedded store as a process."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Annotated

import typer

from devstack.embedded_s3.server import Server
from iris_core.errors import IrisError

LOOPBACK = "127.0.0.1"


def main(
    data: Annotated[Path, typer.Option(help="Directory for the objects; made if missing.")],
    port: Annotated[int, typer.Option(help="Of the loopback interface; 0 takes a free one.")] = 9000,
    access_key: Annotated[
        str, typer.Option(envvar="AWS_ACCESS_KEY_ID", help="Who is let in; several, separated by commas.")
    ] = "",
) -> None:
    """Serve S3 with MinIO's bucket notifications (listen API) until SIGTERM or SIGINT.

    Prints one line, `listening on http://127.0.0.1:9000`, when it is ready. Exit code 2 if it cannot start;
    then the reason is on stderr. Clients must use path-style addressing, with any region and any secret key:
    only the access key is checked.
    """
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    try:
        server = Server(data, socket.create_server((LOOPBACK, port), backlog=256), access_key)
    except OSError as error:
        told = f"Cannot keep {data} or listen on {LOOPBACK}:{port}: {error.strerror}. Choose another one."
        typer.echo(f"embedded S3: {told}", err=True)
        raise typer.Exit(2) from error
    except IrisError as error:
        typer.echo(f"embedded S3: {error}", err=True)
        raise typer.Exit(2) from error
    print(f"listening on {server.endpoint_url}", flush=True)
    server.serve()


if __name__ == "__main__":
    typer.run(main)
