"""A pickle that shows that it was loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Touching:
    """Unpickling it touches a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))
