"""A whole local stack, an API server of it that asks for a login, and Debian's Chromium."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from devstack import components
from devstack.environment import component_environment, read_environment
from devstack.home import Home
from devstack.ports import choose_ports
from devstack.stack import Stack
from iris_core.doctor.airflow_api import AirflowApi
from tests.e2e.conftest import PATIENCE_S, Running

ACCOUNTS = {"ann": "admin", "ed": "user", "vic": "viewer"}
"""Names and their roles in Airflow: who may do everything, who may edit DAGs, who may only look."""
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 400, "height": 800}
START_S = 120.0
SHOWN_MS = 30_000
"""Playwright waits 5 s; an approval is carried out before its page comes: longer on a busy machine."""

expect.set_options(timeout=SHOWN_MS)


@dataclass(frozen=True)
class Door:
    """An API server of the stack that asks who is there."""

    address: str
    passwords: dict[str, str]


@dataclass(frozen=True)
class Seat:
    """A person at a browser, who has logged in.

    :param page: the open tab.
    :param address: the server's.
    :param project: the project's name.
    :param requested: what the browser asked other servers for.
    """

    page: Page
    address: str
    project: str
    requested: list[str]

    def open(self, path: str = "") -> Page:
        """Open the project's page itself, or a page below it."""
        self.page.goto(f"{self.address}/iris/{self.project}{path}")
        return self.page


Sit = Callable[..., Seat]


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack of its own whose models wait for a person, ended with all its processes whatever happens."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IRIS_PORT")}
    settings = {"PROMOTION_APPROVAL": "manual", "RUN_OWNER": "browser"}
    stack = Stack(Home(tmp_path_factory.mktemp("iris")), {**inherited, **settings})
    try:
        state = stack.up()
        yield Running(stack, stack.workspace(), AirflowApi(state.endpoints["airflow"], patience_s=PATIENCE_S))
    finally:
        stack.down()


@pytest.fixture(scope="session")
def door(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A second API server beside the stack's, whose visitors are all admins."""
    folder = tmp_path_factory.mktemp("door")
    passwords = {name: secrets.token_urlsafe(12) for name in ACCOUNTS}
    (folder / "passwords.json").write_text(json.dumps(passwords), encoding="utf-8")
    port = choose_ports({})["airflow"]
    address = f"http://127.0.0.1:{port}"
    environ = {
        **component_environment(read_environment(running.stack.home), os.environ),
        "PATH": components.tool_path(),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{k}:{v}" for k, v in ACCOUNTS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["airflow", "api-server"], env=environ, stdout=log, stderr=log)
    try:
        _wait_for(address, folder / "log")
        yield Door(address, passwords)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(address: str, log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{address}/api/v2/version", trust_env=False).is_success:
                return
        time.sleep(0.5)
    pytest.fail(f"The API server did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or the one that CHROMIUM names."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.fail(
            "There is no Chromium: install Debian's (`apt-get install chromium`), or name one in CHROMIUM."
        )
    # Chromium's own sandbox does not work for root; what is opened here comes from the loopback only.
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def contexts(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Opens browser windows without cookies; they are closed after the test."""
    opened: list[BrowserContext] = []

    def fresh(**options: Any) -> BrowserContext:
        opened.append(browser.new_context(**{"viewport": WIDE, **options}))
        return opened[-1]

    yield fresh
    for one in opened:
        one.close()


@pytest.fixture
def sit(contexts: Callable[..., BrowserContext], door: Door, running: Running) -> Sit:
    """Log somebody in; options are those of the browser's window."""

    def seated(name: str, theme: str = "light", **options: Any) -> Seat:
        context = contexts(color_scheme=theme, **options)
        context.add_init_script(f"try {{ localStorage.setItem('theme', '{theme}') }} catch {{}}")
        page, requested = context.new_page(), list[str]()
        page.on("request", lambda request: requested.append(request.url))
        log_in(page, door, name, door.passwords[name])
        page.wait_for_url(lambda url: "/auth/login" not in url)
        return Seat(page, door.address, running.workspace.settings.project.full_name, requested)

    return seated


def log_in(page: Page, door: Door, name: str, password: str) -> None:
    """Fill in Airflow's form."""
    page.goto(f"{door.address}/auth/login")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", password)
    page.keyboard.press("Enter")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots are kept: the folder that SCREENSHOTS names, else one that pytest deletes."""
    named = os.environ.get("SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
