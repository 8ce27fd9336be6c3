"""Turns pygal's charts into inline SVG: no script, no style of their own, and a name that is read aloud."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pygal
from lxml import etree
from markupsafe import Markup

# pygal adds a finder that is none since Python 3.12. Who asks every finder, as pytest does, fails.
sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

KEPT = 512
"""So many charts are kept, of 5 to 40 kB."""

_LEFT_OUT = ("defs", "script", "style", "title", "desc")


def settings(width: int, height: int, **more: Any) -> dict[str, Any]:
    """Settings of a chart that is styled by the page.

    :param width: of its coordinates; it is drawn as wide as there is room.
    :param height: of its coordinates.
    :param more: further settings of pygal.
    """
    plain = {
        "js": (),
        "css": (),
        "explicit_size": False,
        "show_legend": False,
        "margin": 6,
        "margin_right": 30,
        "dots_size": 3,
    }
    return {"width": width, "height": height, **plain, **more}


@dataclass(frozen=True)
class _Values:
    """A chart, which is another one only if its values or settings are."""

    content: str
    chart: pygal.graph.graph.Graph = field(compare=False)


def drawn(chart: pygal.graph.graph.Graph, name: str, title: str, told: str) -> Markup:
    """A chart as SVG for a page. The last ones are kept: drawing takes 10 ms, and most are as they were.

    :param chart: the chart, with its values.
    :param name: unique within the page.
    :param title: what it shows.
    :param told: the same in words, for who does not see it.
    """
    own = vars(chart)
    content = (type(chart), vars(chart.config), chart.raw_series, own.get("x_labels"), own.get("y_labels"))
    return _svg(_Values(repr(content), chart), name, title, told)


@lru_cache(maxsize=KEPT)
def _svg(values: _Values, name: str, title: str, told: str) -> Markup:
    root = values.chart.render_tree()
    points = list(_points(root))
    for element in list(root.iter()):
        parent = element.getparent()
        if parent is not None and (not isinstance(element.tag, str) or _is_left_out(element)):
            parent.remove(element)
        elif isinstance(element.tag, str):
            element.attrib.pop("style", None)
            element.attrib.pop("id", None)
    for circle, shown in points:
        etree.SubElement(circle, "title").text = shown
    root.attrib.update(
        {
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-told",
            "class": f"chart {root.get('class', '')}",
        }
    )
    for place, (tag, text, part) in enumerate((("title", title, "title"), ("desc", told, "told"))):
        element = etree.Element(tag, {"id": f"{name}-{part}"})
        element.text = text
        root.insert(place, element)
    return Markup(etree.tostring(root, encoding="unicode", method="xml"))  # noqa: S704 - escaped by lxml


def _is_left_out(element: Any) -> bool:
    name = etree.QName(element).localname
    return name in _LEFT_OUT or "tooltip-overlay" in element.get("class", "")


def _points(root: Any) -> Iterator[tuple[Any, str]]:
    """Each marked point, with what pygal's script would show of it."""
    for group in root.iter("g"):
        told = {one.get("class"): one.text or "" for one in group.findall("desc")}
        marks = [one for one in group if one.tag in ("circle", "rect") and "reactive" in one.get("class", "")]
        if told and marks:
            words = [told.get("x_label", ""), told.get("label", ""), told.get("value", "")]
            yield marks[0], ", ".join(filter(None, words))
