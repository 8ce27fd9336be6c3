"""A model card as a page of HTML, for people.

The page is built as a tree, not from text: so whatever a name, a reason or a sentence holds is text on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from iris_core.models.card import CardMetric, CardScore, ModelCard, in_words

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; vertical-align: top; }
th { font-weight: 600; }
h2 { margin-top: 2rem; font-size: 1.1rem; }
p, td { overflow-wrap: anywhere; }
"""

Row = Sequence[str]


def card_page(card: ModelCard) -> str:
    """The card as a whole HTML document, without scripts and without anything from elsewhere."""
    html = Element("html", lang="en")
    head, body = SubElement(html, "head"), SubElement(html, "body")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _tell(head, "title", f"{card.model} version {card.version}")
    _tell(head, "style", STYLE)
    body.append(card_body(card))
    return "<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html") + "\n"


def card_body(card: ModelCard) -> Element:
    """The card's part of a page; `xml.etree.ElementTree.tostring` with `method="html"` makes text of it."""
    body = Element("article")
    _tell(body, "h1", f"{card.model} version {card.version}")
    moment = f"{card.decided_at:%Y-%m-%d %H:%M} UTC"
    by = card.decided_by or "somebody unnamed"
    _tell(body, "p", f"{card.outcome.capitalize()} on {moment} by {by}: {card.reason}")
    if card.suspicion:
        _tell(body, "p", f"Suspect: {card.suspicion}")
    if card.approval:
        _tell(body, "p", f"{card.approval.sentence[:1].upper()}{card.approval.sentence[1:]}.")
    _use(body, card)
    _data(body, card)
    if card.metric:
        _metric(body, card.metric)
    _classes(body, card)
    _importance(body, card)
    _tell(body, "h2", "Drift so far")
    _tell(body, "p", f"{in_words(card.drift.severities)}. {card.drift.newest}".strip())
    if card.limits:
        _tell(body, "h2", "Limits")
        below = SubElement(body, "ul")
        for limit in card.limits:
            _tell(below, "li", limit)
    return body


def _tell(parent: Element, tag: str, text: str) -> Element:
    made = SubElement(parent, tag)
    made.text = text
    return made


def _table(parent: Element, heads: Row, rows: Iterable[Row]) -> None:
    """A table whose first column names the rows; `heads` may be empty."""
    table = SubElement(parent, "table")
    if heads:
        above = SubElement(SubElement(table, "thead"), "tr")
        for head in heads:
            _tell(above, "th", head).set("scope", "col")
    below = SubElement(table, "tbody")
    for first, *others in rows:
        row = SubElement(below, "tr")
        _tell(row, "th", first).set("scope", "row")
        for cell in others:
            _tell(row, "td", cell)


def _use(body: Element, card: ModelCard) -> None:
    about = card.about
    told = {"Owner": about.owner, "Intended use": about.intended_use, "Not for": about.not_for}
    _tell(body, "h2", "Use")
    _table(body, (), [(name, text or "project.json does not say") for name, text in told.items()])


def _data(body: Element, card: ModelCard) -> None:
    data = card.data
    rows = f"{data.rows:,}, of which {data.holdout_rows:,} were held out to judge the model"
    columns = ", ".join(
        f"{one.name} ({one.type}{f', {one.unit}' if one.unit else ''})" for one in data.columns
    )
    told = {
        "Object": data.object,
        "Landed": f"{data.landed_at:%Y-%m-%d %H:%M:%S} UTC",
        "Rows": rows,
        "Columns": columns,
        "Answers": data.target,
        "Classifier": card.estimator,
        "MLflow run": card.run_id,
    }
    _tell(body, "h2", "Data and training")
    _table(body, (), told.items())


def _metric(body: Element, metric: CardMetric) -> None:
    rows = [(metric.name.replace("_", " "), *_scored(metric.score))]
    if metric.name != "accuracy":
        rows.append(("accuracy", *_scored(metric.accuracy)))
    rows.append((f"accuracy of always {metric.majority!r}", f"{metric.majority_accuracy:.1%}", ""))
    if metric.cross_validated_accuracy is not None:
        rows.append(("accuracy, cross-validated", f"{metric.cross_validated_accuracy:.1%}", ""))
    if metric.gain:
        rows.append((f"gain over version {metric.versus}", *_scored(metric.gain, sign="+")))
    _tell(body, "h2", "How right it is, on the holdout")
    _table(body, ("metric", "value", "interval"), rows)
    _tell(body, "p", f"At least {metric.threshold:.1%} was asked for.")


def _scored(score: CardScore | None, sign: str = "") -> tuple[str, str]:
    if score is None:
        return "unknown", ""
    between = score.interval
    interval = f"{between.low:{sign}.1%} to {between.high:{sign}.1%} ({between.level:.0%})"
    return f"{score.value:{sign}.1%}", interval


def _classes(body: Element, card: ModelCard) -> None:
    if not card.classes:
        return
    heads = ("class", "learned rows", "holdout rows", "recall", "interval", "precision", "interval")
    rows = (
        (
            one.name,
            f"{one.learned_rows:,}",
            f"{one.holdout_rows:,}",
            *_scored(one.recall),
            *_scored(one.precision),
        )
        for one in card.classes
    )
    _tell(body, "h2", "Classes")
    _table(body, heads, rows)


def _importance(body: Element, card: ModelCard) -> None:
    if not (found := card.importance):
        return
    _tell(body, "h2", "What its answers rest on")
    rows = ((one.name, f"{one.mean:+.3f}", f"{one.std:.3f}") for one in found.features)
    _table(body, ("feature", "score lost when shuffled", "standard deviation"), rows)
    more = f" {found.left_out} features matter less." if found.left_out else ""
    told = f"On {found.rows:,} rows of the holdout, {found.repeats} times each.{more}"
    _tell(body, "p", f"{told} Features that say the same share their importance.")
