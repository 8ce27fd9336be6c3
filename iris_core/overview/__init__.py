"""What is the state of a project right now, and what should its reader do? Read-only, at a bounded cost."""

from __future__ import annotations

from iris_core.overview.overview import Overview, overview
from iris_core.overview.recent import LastLook

__all__ = ["LastLook", "Overview", "overview"]
