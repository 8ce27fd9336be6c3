"""The page in Airflow, as people with and without rights see it. One story: each test goes on with the stack
as the test before it left it, from nothing uploaded to a rollback."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FrameLocator, Page, expect

from devstack.iris_tables import shifted, split_iris
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.workspace import Workspace
from tests.browser.conftest import NARROW, Door, Seat, Sit, log_in
from tests.e2e.conftest import Running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SERIOUS = {"serious", "critical"}
BAD = b"sepal_length,sepal_width\n1,2\n"


def faults(page: Page) -> list[str]:
    """What axe-core finds serious."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in SERIOUS
    ]


def table(workspace: Workspace, seed: int) -> tuple[bytes, bytes]:
    """A training and an inference table."""
    training, inference = split_iris(workspace.settings.project.table, seed)
    return training.csv(), inference.csv()


def drifted(workspace: Workspace) -> bytes:
    """An inference table whose petals are 3 cm longer."""
    schema = workspace.settings.project.table
    return shifted(split_iris(schema, 4)[1], schema).csv()


def is_too_wide(page: Page) -> bool:
    return bool(
        page.evaluate("document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth")
    )


def tab_to(page: Page, name: str) -> None:
    """Press the tab key until the link or button of this name has the focus."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if name in page.evaluate(
            "(document.activeElement?.ariaLabel || document.activeElement?.innerText || '')"
        ):
            return
    pytest.fail(f"The tab key does not reach {name!r}.")


def through_the_navigation(seat: Seat, name: str) -> FrameLocator:
    """Click the page's entry in Airflow's navigation; return the frame that shows it."""
    seat.page.goto(seat.address)
    seat.page.get_by_role("link", name=f"Iris: {name}").click()
    return seat.page.frame_locator("iframe")


def answered(running: Running, version: int) -> VerdictRecord:
    """Wait for the verdict on a version."""
    return running.wait(
        f"the verdict on version {version}",
        lambda: next(
            (
                one
                for one in running.workspace.ledger.recent_of(VerdictRecord)
                if one.inputs.version == version
            ),
            None,
        ),
    )


def asked(running: Running, seat: Seat, version: int) -> None:
    """Wait until the page says that a version waits for an answer."""
    wanted = f"Version {version} waits for an answer"

    def shown() -> bool | None:
        return seat.open().get_by_role("heading", name=wanted).count() == 1 or None

    running.wait(wanted, shown)


def test_a_wrong_password_is_refused(door: Door, sit: Sit, running: Running) -> None:
    seat = sit("ann")
    seat.page.context.clear_cookies()
    log_in(seat.page, door, "ann", "not the password")
    expect(seat.page.get_by_text("Invalid credentials", exact=True)).to_be_visible()
    project = running.workspace.settings.project.full_name
    assert httpx.get(f"{door.address}/iris/{project}", trust_env=False).status_code == 401


def test_an_empty_page_says_what_to_upload_and_how(sit: Sit, running: Running, pictures: Path) -> None:
    seat = sit("ed")
    page = seat.open()
    expect(page.get_by_text("No model is staged.")).to_be_visible()
    settings = running.workspace.settings
    expect(page.locator("#upload")).to_contain_text(f"{settings.bucket}/{settings.train_key}")
    assert faults(page) == []
    page.screenshot(path=pictures / "page-empty.png")


def test_it_is_reached_from_airflows_navigation(sit: Sit, running: Running) -> None:
    name = running.workspace.settings.project.name
    frame = through_the_navigation(sit("vic"), name)
    expect(frame.get_by_role("heading", level=1)).to_contain_text(name)


def test_a_person_approves_with_the_keyboard_alone_and_gives_a_reason(sit: Sit, running: Running) -> None:
    workspace = running.workspace
    running.train(table(workspace, 1)[0])
    seat = sit("ed")
    asked(running, seat, 1)
    assert faults(seat.page) == []
    tab_to(seat.page, "Approve version 1")
    seat.page.keyboard.press("Enter")
    expect(seat.page.get_by_role("heading", level=1)).to_contain_text("Approve version 1?")
    assert faults(seat.page) == []
    tab_to(seat.page, "")
    seat.page.get_by_label("Reason").focus()
    seat.page.keyboard.type("looked at its <b>errors</b>")
    tab_to(seat.page, "Approve")
    seat.page.keyboard.press("Enter")
    expect(seat.page.get_by_role("status")).to_contain_text("promoted")
    expect(seat.page.locator("#model")).to_contain_text("looked at its <b>errors</b>")
    verdict = answered(running, 1)
    assert verdict.evidence.approval.by == "ed"  # type: ignore[union-attr]


def test_what_was_staged_scored_and_judged_is_shown(sit: Sit, running: Running, pictures: Path) -> None:
    for seed in (2, 3):
        running.decided("drift", running.score(table(running.workspace, seed)[1]))
    running.decided("drift", running.score(drifted(running.workspace)))
    seat = sit("vic")
    page = seat.open()
    for section, told in (
        ("#model", "Version 1"),
        ("#scorings", "predictions"),
        ("#drift", "Evidently"),
        ("#latency", "seconds"),
    ):
        expect(page.locator(section)).to_contain_text(told)
    assert page.locator("svg[role=img]").count() >= 5
    assert faults(page) == []
    expect(page.locator("#drift .severity.high").first).to_be_visible()
    page.screenshot(path=pictures / "page-light.png")
    page.locator("#drift").screenshot(path=pictures / "page-drift.png")
    frame = through_the_navigation(seat, running.workspace.settings.project.name)
    expect(frame.locator("#model")).to_contain_text("Version 1")
    page.screenshot(path=pictures / "page-in-airflow.png")
    elsewhere = [url for url in seat.requested if not url.startswith((seat.address, "data:", "blob:"))]
    assert elsewhere == []


def test_evidentlys_page_runs_without_airflows_cookies(sit: Sit) -> None:
    seat = sit("vic")
    page = seat.open()
    page.locator("#drift").get_by_role("link", name="Evidently").first.click()
    page.wait_for_load_state()
    expect(page.locator("body")).not_to_be_empty()
    assert page.evaluate("self.origin") == "null"
    with pytest.raises(Exception, match="sandbox"):
        page.evaluate("document.cookie")


def test_a_refused_table_is_shown_with_its_sentence(sit: Sit, running: Running) -> None:
    record = running.decided("training", running.train(BAD))
    page = sit("vic").open()
    expect(page.locator("#refused")).to_contain_text(record.reason)
    assert faults(page) == []


def test_a_viewer_is_shown_no_way_to_act_and_cannot(sit: Sit) -> None:
    seat = sit("vic")
    page = seat.open()
    assert page.get_by_role("link", name="Roll back").count() == 0
    assert page.get_by_role("link", name="Retry").count() == 0
    answer = page.request.get(f"{seat.address}/iris/{seat.project}/decide/rollback?target=1")
    assert answer.status == 403


def test_a_version_is_rolled_back(sit: Sit, running: Running) -> None:
    running.train(table(running.workspace, 7)[0])
    seat = sit("ed")
    asked(running, seat, 2)
    seat.page.get_by_role("link", name="Approve version 2").click()
    seat.page.get_by_label("Reason").fill("newer data")
    seat.page.get_by_role("button", name="Approve").click()
    expect(seat.page.get_by_role("status")).to_be_visible()
    expect(seat.page.locator("#model .big")).to_contain_text("Version 2")
    seat.page.get_by_role("link", name="Roll back to version 1").first.click()
    seat.page.get_by_label("Reason").fill("the newer data was mislabelled")
    seat.page.get_by_role("button", name="Roll back").click()
    expect(seat.page.get_by_role("status")).to_contain_text("rolled back")
    expect(seat.page.locator("#model .big")).to_contain_text("Version 1")
    expect(seat.page.locator("#model")).to_contain_text("the newer data was mislabelled")


def test_another_sites_form_changes_nothing(sit: Sit) -> None:
    seat = sit("ed")
    forged: dict[str, str | float | bool] = {"target": "2", "token": "forged", "reason": "x"}
    answer = seat.page.request.post(
        f"{seat.address}/iris/{seat.project}/decide/rollback",
        form=forged,
        headers={"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status == 403
    expect(seat.open().locator("#model .big")).to_contain_text("Version 1")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_all_of_it(sit: Sit, pictures: Path, theme: str) -> None:
    page = sit("vic", theme=theme, viewport=NARROW).open()
    assert not is_too_wide(page)
    assert faults(page) == []
    page.screenshot(path=pictures / f"page-400-{theme}.png")


def test_dark_as_airflows_theme(sit: Sit, pictures: Path) -> None:
    page = sit("ed", theme="dark").open()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert max(background[:3]) < 60
    assert faults(page) == []
    page.screenshot(path=pictures / "page-dark.png")
