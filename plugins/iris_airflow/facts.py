"""What an asset event says for people, beside the names that the next run looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LONGEST_TEXT = 500
SUMMED = ("rows", "rejected")
SHARED = ("model_version", "severity", "sentence")
"""Facts of the worst thing that are said also where there are several."""


def facts_of(made: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Facts about what a task made: all short ones of one thing; of several the sums, and the worst severity.

    A dozen facts at most, each text at most `LONGEST_TEXT` characters: Airflow keeps events for ever.

    :param made: summaries, as the core's functions return them.
    """
    if not made:
        return {}
    worst = max(made, key=_rank)
    told = {name: _short(fact) for name, fact in worst.items() if isinstance(fact, str | int | float)}
    if len(made) == 1:
        return told
    sums = {name: sum(one[name] for one in made) for name in SUMMED if name in worst}
    return {"made": len(made), **sums, **{name: told[name] for name in SHARED if name in told}}


def _rank(summary: Mapping[str, Any]) -> int:
    from iris_core.drift.thresholds import rank

    return rank(summary["severity"]) if "severity" in summary else 0


def _short(fact: Any) -> Any:
    return fact[:LONGEST_TEXT] if isinstance(fact, str) else fact
