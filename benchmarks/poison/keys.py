"""Keys that stores take and clients stumble over."""

from __future__ import annotations

import random

from iris_core.settings.places import LEDGER


def control_character(chance: random.Random, name: str) -> str:
    """A tab, a line end, an escape … in the name."""
    sign = chr(chance.choice([*range(1, 32), 127, 0x85, 0x200B, 0x2028, 0x202E, 0xFEFF]))
    return f"a{sign}{name}"


def empty_segment(chance: random.Random, name: str) -> str:
    """`//`, once or several times."""
    return (
        f"{'/' * chance.randint(1, 3)}{name}"
        if chance.random() < 0.5
        else f"day{'/' * chance.randint(2, 4)}{name}"
    )


def dot_segment(chance: random.Random, name: str) -> str:
    """`.` or `..` as a segment."""
    return f"{chance.choice(('.', '..', 'a/..', 'a/.', '../..'))}/{name}"


def longest(chance: random.Random, name: str) -> str:
    """Up to 1,024 bytes, of one or of more bytes a character, in segments or without."""
    sign = chance.choice(("x", "é", "𝒳"))
    segment = sign * (200 // len(sign.encode()))
    folders = "/".join([segment] * chance.randint(3, 4))
    return f"{folders}/{name}"[: 900 // len(sign.encode())] + name


def long_name(chance: random.Random, name: str) -> str:
    """A last segment for which a copy's name has no room."""
    return f"{chance.choice(('n', 'ü', 'é́', '名')) * chance.randint(80, 240)}{name}".encode()[-250:].decode(
        errors="ignore"
    )


def punctuation(chance: random.Random, name: str) -> str:
    """What addresses, shells and templates read otherwise."""
    signs = [
        "?versionId=1",
        "#",
        "%",
        "%2F",
        "%00",
        "+",
        "&",
        "=",
        "'",
        '"',
        "\\",
        "*",
        "[1]",
        "{{ x }}",
        "$(x)",
        "~",
        "|",
        ";",
        ":",
        "<b>",
    ]
    return f"a{''.join(chance.sample(signs, 4))}{name}"


def blanks(chance: random.Random, name: str) -> str:
    """Blanks at its ends, of any kind."""
    blank = chance.choice((" ", "\u00a0", "\u3000", "\u2003", "   "))
    return f"{blank}{name}{blank}"


def other_scripts(chance: random.Random, name: str) -> str:
    """Composed, decomposed, right to left, beyond the basic plane."""
    return f"{chance.choice(('café', 'café', '‮gnp', '🌼🌼', 'שלום', '花'))}{name}"


def many_segments(chance: random.Random, name: str) -> str:
    """Deep below the prefix."""
    return f"{'d/' * chance.randint(50, 300)}{name}"


def marker(chance: random.Random, name: str) -> str:
    """What other tools leave beside data: it is none, and has no record."""
    return chance.choice(
        (
            f"day/_SUCCESS{name}",
            f"_temporary/0/{name}",
            f".{name}.crc",
            f"_committed_{name}",
            f"a/{name}_$folder$",
        )
    )


def looks_like_ours(chance: random.Random, name: str) -> str:
    """Segments that the pipelines use themselves."""
    return f"{chance.choice((LEDGER + 'dev', 'quarantine/dev', 'audit', 'work', 'predictions'))}/{name}"
