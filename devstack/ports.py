"""Ports of the local stack: configured, else the last used, else free ones; on loopback only."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

import psutil

from devstack.variables import StackVariables
from iris_core.errors import ConfigError, StackError
from iris_core.settings.declared import read_variables

LOOPBACK = "127.0.0.1"
PATIENCE_S = 5.0
DEFAULT = {"http": 80, "https": 443}

# These ports are below the range of outgoing connections (from 32768 on Linux, from 49152 elsewhere), so that
# no client takes a chosen port before its server binds it.
CHOSEN_FROM = range(20_000, 30_000)

VARIABLES = {
    "store": "IRIS_PORT_STORE",
    "store-console": "IRIS_PORT_STORE_CONSOLE",
    "mlflow": "IRIS_PORT_MLFLOW",
    "airflow": "IRIS_PORT_AIRFLOW",
}
"""The servers, and the variable that sets the port of each."""


def choose_ports(environ: Mapping[str, str], last: Mapping[str, int] | None = None) -> dict[str, int]:
    """Choose a port for each server.

    :param environ: the environment, with configured ports.
    :param last: the ports of the last start, used again where they are free.
    :raises ConfigError: a variable is not a port, or two are the same.
    :raises StackError: a configured port is taken; the message names its holder and what to change.
    """
    declared = read_variables(StackVariables, environ)
    configured = {name: getattr(declared, f"port_{name.replace('-', '_')}") for name in VARIABLES}
    ports: dict[str, int] = {name: port for name, port in configured.items() if port}
    _check_distinct(ports)
    for name in VARIABLES:
        if name in ports:
            _check_free(name, ports[name])
        else:
            ports[name] = _free_port((last or {}).get(name), set(ports.values()))
    return ports


def is_free(port: int) -> bool:
    """Whether a server can bind this port of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do, so that a port with connections in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def check_listening(*addresses: str) -> None:
    """Check that a server listens at each address.

    :raises StackError: no server listens at an address.
    """
    for address in addresses:
        parts = urlsplit(address)
        try:
            socket.create_connection(
                (parts.hostname, parts.port or DEFAULT[parts.scheme]), PATIENCE_S
            ).close()
        except OSError as error:
            raise StackError(f"Nothing listens at {address} any more: was the stack taken down?") from error


def holder_of(port: int) -> str:
    """The process that listens on a port, as far as this user may see it."""
    try:
        for connection in psutil.net_connections("inet"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
            if listens and connection.pid:
                process = psutil.Process(connection.pid)
                return f"process {process.pid} ({' '.join(process.cmdline()[:3])[:80]})"
    except psutil.Error:
        pass
    return "another process"


def _check_distinct(ports: Mapping[str, int]) -> None:
    holders: dict[int, str] = {}
    for name, port in ports.items():
        if port in holders:
            raise ConfigError(
                f"{VARIABLES[name]}={port} is also {VARIABLES[holders[port]]}: give each its own port."
            )
        holders[port] = name


def _check_free(name: str, port: int) -> None:
    if not is_free(port):
        raise StackError(
            f"{name}: port {port} is taken by {holder_of(port)}. "
            f"End that process, set {VARIABLES[name]} to a free port, or unset it and one is chosen."
        )


def _free_port(wanted: int | None, taken: set[int]) -> int:
    candidates = [wanted] if wanted else []
    candidates += random.sample(CHOSEN_FROM, 50)
    for port in candidates:
        if port not in taken and is_free(port):
            return port
    raise StackError(
        f"No free port among 50 tried in {CHOSEN_FROM.start}-{CHOSEN_FROM.stop - 1} on {LOOPBACK}: "
        f"set {', '.join(VARIABLES.values())}."
    )
