"""`iris card`: a model version's card, for people and machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from iris_core.cli.deployment import deployed_workspace
from iris_core.cli.options import writable
from iris_core.cli.screen import AsJson, Screen

if TYPE_CHECKING:
    from rich.table import Table

    from iris_core.models.card import CardScore, ModelCard


def card(
    version: Annotated[int, typer.Argument(min=1, help="A version of the registered model.")],
    html: Annotated[
        Path | None, typer.Option(callback=writable, help="Write the card as a page into this file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a version's model card: use, data, scores with intervals, classes, what counts, drift, limits.

    The card of the version's promotion lies in MLflow, on its run; this one also has the drift since.

    Examples:

      iris card 3

      iris card 3 --html card.html

      iris card 3 --json | jq .metric.score
    """
    from iris_core.history.cards import current_card
    from iris_core.models.card_page import card_page

    workspace = deployed_workspace()
    found = current_card(workspace.ledger, workspace.settings.project, version)
    if html:
        html.write_text(card_page(found), encoding="utf-8")
    if as_json:
        print(found.to_bytes().decode())
    elif not html:
        _print_card(found)


def _print_card(card: ModelCard) -> None:
    from iris_core.models.card import in_words

    screen, about = Screen().console, card.about
    screen.print(
        f"[bold]{escape(card.model)} version {card.version}[/] {card.outcome}: {escape(card.reason)}"
    )
    for name, text in (("owner", about.owner), ("for", about.intended_use), ("not for", about.not_for)):
        screen.print(f"{name}: {escape(text) or '[dim]project.json does not say[/]'}")
    screen.print(f"learnt from {escape(card.data.object)}, {card.data.learned_rows:,} rows")
    screen.print(_scores(card))
    for one in card.importance.features if card.importance else ():
        screen.print(f"  {escape(one.name)}: {one.mean:+.3f} of the score is lost when it is shuffled")
    screen.print(f"drift so far: {in_words(card.drift.severities)}. {escape(card.drift.newest)}")
    for limit in card.limits:
        screen.print(f"limit: {escape(limit)}")


def _scores(card: ModelCard) -> Table:
    from rich.table import Table

    table = Table("", "score", "interval", box=None, pad_edge=False)
    if card.metric:
        table.add_row(escape(card.metric.name), *_cells(card.metric.score))
    for one in card.classes:
        table.add_row(f"recall of {escape(one.name)}", *_cells(one.recall))
        table.add_row(f"precision of {escape(one.name)}", *_cells(one.precision))
    return table


def _cells(score: CardScore | None) -> tuple[str, str]:
    if score is None:
        return "unknown", ""
    return f"{score.value:.1%}", f"{score.interval.low:.1%} to {score.interval.high:.1%}"
