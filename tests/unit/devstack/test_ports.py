"""Ports are free when they are chosen, and a taken one is named with who holds it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from devstack.ports import CHOSEN_FROM, LOOPBACK, VARIABLES, check_listening, choose_ports, is_free
from iris_core.errors import ConfigError, StackError

pytestmark = pytest.mark.integration


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_chosen_ports_are_free_distinct_and_out_of_the_way_of_clients() -> None:
    ports = choose_ports({})
    assert ports.keys() == VARIABLES.keys()
    assert len(set(ports.values())) == len(ports)
    assert all(port in CHOSEN_FROM and is_free(port) for port in ports.values())


def test_the_ports_of_last_time_are_taken_again() -> None:
    last = choose_ports({})
    assert choose_ports({}, last) == last


def test_a_port_of_last_time_that_is_taken_now_is_replaced(taken: int) -> None:
    assert choose_ports({}, {"mlflow": taken})["mlflow"] != taken


def test_a_configured_port_is_used() -> None:
    port = choose_ports({})["airflow"]
    assert choose_ports({"IRIS_PORT_AIRFLOW": str(port)}, {"store": port})["airflow"] == port


def test_a_configured_port_that_is_taken_names_its_holder_and_the_variable(taken: int) -> None:
    with pytest.raises(
        StackError, match=rf"mlflow: port {taken} is taken by process {os.getpid()} "
    ) as error:
        choose_ports({"IRIS_PORT_MLFLOW": str(taken)})
    assert "set IRIS_PORT_MLFLOW" in str(error.value)


@pytest.mark.parametrize("text", ["http", "80", "70000", "-1", "8080.0", "８０８０", "9" * 5000])
def test_a_configured_port_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match=f"IRIS_PORT_STORE={text}: not a port"):
        choose_ports({"IRIS_PORT_STORE": text})


def test_one_port_for_two() -> None:
    with pytest.raises(ConfigError, match="IRIS_PORT_AIRFLOW=8080 is also IRIS_PORT_MLFLOW"):
        choose_ports({"IRIS_PORT_MLFLOW": "8080", "IRIS_PORT_AIRFLOW": "8080"})


def test_what_listens_no_more_is_named() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        address = f"http://{LOOPBACK}:{server.getsockname()[1]}"
        check_listening(address, address)
    with pytest.raises(StackError, match=rf"Nothing listens at {address} any more"):
        check_listening(address)
