"""Model cards as a part of a page."""

from __future__ import annotations

from xml.etree.ElementTree import tostring

from markupsafe import Markup

from iris_core.errors import PromotionRefused
from iris_core.history.cards import current_card
from iris_core.ledger.workspace import Workspace
from iris_core.models.card_page import card_body


def card_of(workspace: Workspace, version: int) -> Markup:
    """The card of a version, with the drift since; empty before there is a verdict on it.

    :param workspace: of the project.
    :param version: the version.
    """
    try:
        card = current_card(workspace.ledger, workspace.settings.project, version)
    except PromotionRefused:
        return Markup("")
    return Markup(tostring(card_body(card), encoding="unicode", method="html"))  # noqa: S704 - built as a tree
