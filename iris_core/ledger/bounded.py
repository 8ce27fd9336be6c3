"""Shortens the content of a record or an XCom to what it can hold (64 KB), and counts what is left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

MOST_BYTES = 60_000
LEVELS = ((4_000, 500, 1_000), (2_000, 200, 500), (1_200, 100, 200), (1_200, 40, 100), (1_200, 20, 60))
"""Limits, of which the first ones that make the content fit are used: characters of a text, items of a list
or mapping, characters of a mapping's names. An object's key must stay whole: it has up to 1,024
characters."""
LEAST_ITEMS = 20
"""No type of ours has so many fields: a mapping with so many items is data, whose names are not fields."""

LONGEST_FIELD = 40

Cut = tuple[dict[str, Any], dict[str, int]]


def fitted(content: dict[str, Any], most: int = MOST_BYTES) -> Cut:
    """Shorten JSON-able content to at most so many bytes; count, by path, the items and characters left out.

    Texts, lists and mappings keep their beginnings; if that is not enough, the largest lists and mappings are
    emptied. Content that fits is returned unchanged.
    """
    if _size(content) <= most:
        return content, {}
    shorter, left = content, dict[str, int]()
    for chars, items, names in LEVELS:
        left = {}
        shorter = _cut(content, (chars, items, names), "", left)
        if _size(shorter) + _size(left) <= most:
            return shorter, left
    while _size(shorter) + _size(left) > most:
        _empty_largest(shorter, left)
    return shorter, left


def _size(content: Any) -> int:
    """Bytes of the stored JSON, with its indent, which matters if there are many items."""
    return len(json.dumps(content, indent=1, default=str))


def _cut(value: Any, level: tuple[int, int, int], path: str, left: dict[str, int]) -> Any:
    chars, items, names = level
    if isinstance(value, str):
        _count(left, path, len(value) - chars)
        return value[:chars]
    if not isinstance(value, dict | list):
        return value
    _count(left, path, len(value) - items)
    if isinstance(value, list):
        return [_cut(item, level, f"{path}.*", left) for item in value[:items]]
    kept: dict[str, Any] = {}
    for name, item in islice(value.items(), items):
        below = _below(value, path, name)
        _count(left, below, len(name) - names)
        kept[_short(name, names)] = _cut(item, level, below, left)
    return kept


def _short(name: str, most: int) -> str:
    """A name of at most so many characters that stays unique."""
    if len(name) <= most:
        return name
    return f"{name[: most - 9]}~{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def _count(left: dict[str, int], path: str, more: int) -> None:
    if more > 0:
        left[path] = left.get(path, 0) + more


def _below(mapping: dict[str, Any], path: str, name: str) -> str:
    """The path of an item: it ends in a field's name, or in `*` for an item of data."""
    is_field = len(mapping) < LEAST_ITEMS and len(name) <= LONGEST_FIELD
    return f"{path}.{name if is_field else '*'}".lstrip(".")


def _empty_largest(content: dict[str, Any], left: dict[str, int]) -> None:
    """Empty the largest list or mapping of data; if there is none, the largest list or mapping in a part."""
    parts = [(name, part) for name, part in content.items() if isinstance(part, dict)]
    found = [*_large(content, "", LEAST_ITEMS)] or [
        one for name, part in parts for one in _large(part, name, 1)
    ]
    parent, name, path = max(found, key=lambda one: _size(one[0][one[1]]))
    _count(left, path, len(parent[name]))
    parent[name] = type(parent[name])()


def _large(mapping: dict[str, Any], path: str, least: int) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Lists and mappings that can be emptied: the mapping that holds each, its name there, and its path."""
    for name, held in mapping.items():
        below = _below(mapping, path, name)
        if held and (isinstance(held, list) or (isinstance(held, dict) and len(held) >= least)):
            yield mapping, name, below
        if isinstance(held, dict):
            yield from _large(held, below, least)
