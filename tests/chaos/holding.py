"""Holds a triggerer's full looks back while a file is there. Runs inside that triggerer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from iris_provider_minio.watch import Watch

if TYPE_CHECKING:
    from iris_provider_minio.budget import Stopwatch
    from iris_provider_minio.watch import Announceable


def install(file: str) -> None:
    """While the file is there, watches list nothing, and their first announcements name all they are about.

    What no notification tells of is then announced by nobody.
    """
    held, listed, tell = Path(file), Watch._listed, Watch._tell

    async def listed_later(self: Watch, watch: Stopwatch) -> list[Announceable]:
        return [] if held.exists() else await listed(self, watch)

    def tell_by_name(self: Watch, why: str, objects: list[Announceable]) -> Any:
        if held.exists():
            self._is_first = False
        return tell(self, why, objects)

    Watch._listed = listed_later  # type: ignore[method-assign]
    Watch._tell = tell_by_name  # type: ignore[method-assign]
