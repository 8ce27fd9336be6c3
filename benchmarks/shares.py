"""Measured shares with rounds and standard errors. A run of a part keeps the figures of the others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from devstack.figures import Figure, write_figures
from devstack.home import Home


@dataclass(frozen=True)
class Measured:
    """A figure, and what stands behind it: rounds, standard error, the case that it is from."""

    figure: Figure
    rounds: int
    case: str

    @property
    def standard_error(self) -> float:
        share = self.figure.value or 0.0
        return sqrt(share * (1 - share) / self.rounds)

    def details(self, amount: Mapping[str, Any]) -> dict[str, Any]:
        """What the file of figures says beside the figure."""
        error = round(self.standard_error, 4)
        return {**amount, "rounds": self.rounds, "standard_error": error, "case": self.case}

    def told(self) -> str:
        one = self.figure
        beside = "" if one.baseline is None else f"  Evidently {one.baseline}"
        value = f"{one.value:>7} ± {self.standard_error:.4f}"
        return f"{one.name:<38} {value}  goal {one.goal}  ({self.rounds:,} rounds, {self.case}){beside}"


def allowed(rate: float, rounds: int) -> float:
    """A rate plus three standard errors of its measurement."""
    return round(rate + 3 * sqrt(rate * (1 - rate) / rounds), 4)


def at_most(
    name: str, share: float, rate: float, behind: tuple[int, str], baseline: float | None = None
) -> Measured:
    """A share that must be small; the goal leaves three standard errors.

    :param name: of the figure.
    :param share: as measured.
    :param rate: the largest true share.
    :param behind: the number of rounds, and the case.
    :param baseline: the same share of the baseline.
    """
    goal = allowed(rate, behind[0])
    return Measured(
        Figure(name=name, value=round(share, 4), unit="share", baseline=baseline, goal=goal), *behind
    )


def at_least(
    name: str, share: float, goal: float, behind: tuple[int, str], baseline: float | None = None
) -> Measured:
    """A share that must be large.

    :param name: of the figure.
    :param share: as measured.
    :param goal: the least share.
    :param behind: the number of rounds, and the case.
    :param baseline: the same share of the baseline.
    """
    figure = Figure(
        name=name, value=round(share, 4), unit="share", baseline=baseline, goal=goal, better="higher"
    )
    return Measured(figure, *behind)


def store(home: Home, target: str, found: Sequence[Measured], amount: Mapping[str, Any]) -> None:
    """Write a target's figures; those of other parts stay as an earlier run measured them.

    :param amount: how much was drawn, for those that were found now.
    """
    stood = home.results / f"{target}.json"
    before = json.loads(stood.read_text()) if stood.exists() else {"figures": [], "parameters": {}}
    details = before["parameters"].get("measured", {}) | {
        one.figure.name: one.details(amount) for one in found
    }
    figures = {one["name"]: Figure.model_validate(_given(one)) for one in before["figures"]}
    figures |= {one.figure.name: one.figure for one in found}
    known = [figure for name, figure in figures.items() if name in details]
    write_figures(home, target, known, {"measured": details})


def _given(figure: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figure.items() if name != "met"}
