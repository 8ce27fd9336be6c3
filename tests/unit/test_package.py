"""What importing the package does to its process."""

from __future__ import annotations

import os

import iris_core.tables  # noqa: F401 - imports polars


def test_the_allocator_of_polars_is_told_before_polars_starts() -> None:
    """Polars puts its own settings before those that it finds."""
    assert os.environ["_RJEM_MALLOC_CONF"].startswith("dirty_decay_ms:")
    assert os.environ["_RJEM_MALLOC_CONF"].endswith(",narenas:2")
