"""A model card's page: whatever a name, a reason or a sentence holds is text on it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from iris_core.ledger.records.gate import Approval, ClassSlice, GateEvidence, Importance, Importances
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.models.card import CardDrift, ModelCard, card_of
from iris_core.models.card_page import STYLE, card_page
from iris_core.settings.project import About, Project
from iris_core.settings.project_files import load_project
from tests.records import expect, like

pytestmark = pytest.mark.unit

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\"'"
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "article", "h1", "h2", "p", "ul", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


class Read(HTMLParser):
    """What a browser makes of a page: its elements, its attributes, its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def hostile_project() -> Project:
    content = load_project().model_dump(mode="json")
    content["table"]["features"][0]["name"] = HOSTILE
    content["table"]["features"][0]["unit"] = HOSTILE
    about = About(owner=HOSTILE, intended_use=HOSTILE, not_for=HOSTILE, limits=(HOSTILE,))
    return Project.model_validate({**content, "about": about})


def card(project: Project, text: str) -> ModelCard:
    """A card that has this text wherever one comes from outside."""
    verdict = like(VerdictRecord, outcome="promoted")
    verdict = verdict.model_copy(update={"reason": text, "by": verdict.by.model_copy(update={"owner": text})})
    evidence = expect(GateEvidence, verdict.evidence)
    hostile = evidence.model_copy(
        update={
            "classes": (ClassSlice(name=text, learned_rows=9, rows=3, recall=1.0), *evidence.classes),
            "importance": Importances(
                rows=9, repeats=5, features=(Importance(name=text, mean=0.1, std=0.2),)
            ),
            "approval": Approval(approved=True, by=text, reason=text),
        }
    )
    drift = CardDrift(until=verdict.at, severities={"high": 2}, newest=text)
    return card_of(like(TrainedRecord), verdict.model_copy(update={"evidence": hostile}), project, drift)


def test_nothing_becomes_markup() -> None:
    page = Read(card_page(card(hostile_project(), HOSTILE)))
    assert set(page.tags) <= TAGS
    assert page.attributes == {"lang", "charset", "name", "content", "scope"}
    shown = "".join(page.texts)
    assert shown.count(HOSTILE) >= 12


def test_it_loads_nothing_from_elsewhere() -> None:
    page = card_page(card(load_project(), "plain"))
    assert "http" not in page
    assert "url(" not in STYLE


def test_what_project_json_does_not_say_is_told() -> None:
    project = load_project().model_copy(update={"about": About()})
    assert "project.json does not say" in card_page(card(project, "plain"))
    told = About(owner="the herbarium", intended_use="sorting", not_for="medicine", limits=("wilted ones",))
    page = card_page(card(project.model_copy(update={"about": told}), "plain"))
    assert "project.json does not say" not in page
    for text in ("the herbarium", "sorting", "medicine", "wilted ones"):
        assert text in page


def test_one_row_is_one_row() -> None:
    verdict = like(VerdictRecord, outcome="promoted")
    evidence = expect(GateEvidence, verdict.evidence)
    classes = (ClassSlice(name="Adelie", learned_rows=4, rows=1, recall=1.0),)
    verdict = verdict.model_copy(update={"evidence": evidence.model_copy(update={"classes": classes})})
    [limit] = [it for it in card_of(like(TrainedRecord), verdict, load_project()).limits if "Adelie" in it]
    assert limit.startswith("Class 'Adelie' has 1 row in the holdout: ")
