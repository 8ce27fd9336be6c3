"""A backtest as a picture: share of batches flagged by batch size, ours beside Evidently's defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iris_core.errors import ConfigError

if TYPE_CHECKING:
    from iris_core.drift.backtest.rates import Cell, Rate

WIDTH, HEIGHT, ACROSS = 3.4, 2.8, 4
FALSE_ALARM_GOAL = 5


def check_picture(path: Path) -> None:
    """Refuse a file whose name ends in no format of a picture; without an ending it gets `.png`.

    :raises ConfigError: the message names the formats.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    ending = path.suffix.removeprefix(".").lower()
    if ending and ending not in FigureCanvasBase.filetypes:
        raise ConfigError(
            f"{path}: .{ending} is no format of a picture. Known: {', '.join(FigureCanvasBase.filetypes)}."
        )


def picture(cells: Sequence[Cell], path: Path, name: str) -> None:
    """Write one panel for each injected shift; a line for each size of reference."""
    from matplotlib.figure import Figure

    shifts = list(dict.fromkeys(cell.shift for cell in cells))
    across = min(ACROSS, len(shifts))
    down = -(-len(shifts) // across)
    figure = Figure(figsize=(WIDTH * across, HEIGHT * down + 0.6), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True).flat
    for panel, shift in zip(panels, shifts, strict=False):
        _panel(panel, [cell for cell in cells if cell.shift == shift])
        panel.set_title(shift, fontsize=10)
    for panel in list(figure.axes)[len(shifts) :]:
        panel.remove()
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8
    )
    figure.suptitle(f"{name}: % of batches flagged, by rows of a batch", fontsize=11)
    figure.savefig(path, dpi=130)


def _panel(panel: Any, cells: Sequence[Cell]) -> None:
    panel.set(xscale="log", ylim=(-3, 103))
    for number, reference in enumerate(sorted({cell.reference for cell in cells})):
        line = sorted((c for c in cells if c.reference == reference), key=lambda cell: cell.current)
        sizes = [cell.current for cell in line]
        style: dict[str, Any] = {"marker": "o", "markersize": 3, "alpha": 1 - 0.25 * number}
        panel.plot(
            sizes, [100 * c.alarms for c in line], color="C0", label=f"ours, reference {reference:,}", **style
        )
        panel.plot(
            sizes,
            [_percent(c.evidently_any) for c in line],
            color="C1",
            linestyle="--",
            label=f"Evidently's default, reference {reference:,}",
            **style,
        )
    if cells[0].kind == "none":
        panel.axhline(FALSE_ALARM_GOAL, color="grey", linewidth=0.8)


def _percent(rate: Rate | None) -> float | None:
    return 100 * rate.share if rate else None
