"""A project's state on a terminal. Whatever a name, a key or a reason holds is text: nothing is markup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from iris_core.cli.screen import SEVERITY_COLOURS
from iris_core.overview import Overview

NEWEST = 5
"""So many of each list are shown; the page and `--json` show more."""
MARKS = {"good": ("✓", "green"), "note": ("•", "yellow"), "bad": ("✗", "bold red"), "none": ("·", "dim")}


def state_of(seen: Overview) -> RenderableType:
    """A project's state: replies to what a reader asks, the loop, and the newest of each kind."""
    return Group(*_parts(seen))


def _parts(seen: Overview) -> Iterator[RenderableType]:
    yield Text(f"\n{seen.project} ({seen.team}, {seen.environment})", style="bold")
    yield _replies(seen)
    yield _loop(seen)
    if seen.scorings:
        yield _scorings(seen)
    if seen.drift:
        yield _drift(seen)
    for name, told in (("refused", _refusals(seen)), ("sent", _actions(seen))):
        if rows := list(told):
            yield _listed(name, rows)
    if seen.loops:
        times = [one.to_predictions for one in seen.loops]
        most = f"; of the last {len(times)} at most {max(times):.0f} s" if len(times) > 1 else ""
        yield Text(f"  landing to predictions: {times[0]:.0f} s{most}")
    if not seen.scorings and not seen.decisions:
        yield from (Text(f"  {one.iris}   # {one.meaning}") for one in seen.uploads)


def _replies(seen: Overview) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in seen.replies:
        mark, style = MARKS[one.tone]
        todo = f" {one.todo}." if one.todo else ""
        table.add_row(Text(f"  {mark}", style=style), Text(one.question), Text(f"{one.sentence}{todo}"))
    return table


def _loop(seen: Overview) -> Table:
    table = Table("  part", "last", "age", "owed", box=None, pad_edge=False)
    for part in seen.loop:
        last = part.last
        outcome = Text(last.outcome, style=SEVERITY_COLOURS.get(last.outcome, "")) if last else Text("never")
        age = _age(seen.at, last.at) if last else ""
        table.add_row(Text(f"  {part.name}"), outcome, age, str(part.owed or ""))
    return table


def _scorings(seen: Overview) -> Table:
    table = Table("  scored", "version", "rows", "rejected", "accuracy", "rows/s", box=None, pad_edge=False)
    for one in seen.scorings[:NEWEST]:
        speed = one.rows_per_second
        table.add_row(
            Text(f"  {one.trace.object.partition('?')[0]}", overflow="fold"),
            str(one.version),
            f"{one.rows:,}",
            f"{one.rejected:,}",
            "" if one.accuracy is None else f"{one.accuracy:.3f}",
            "" if speed is None else f"{speed:,.0f}",
        )
    return table


def _drift(seen: Overview) -> Table:
    table = Table("  judged", "severity", "columns", "", box=None, pad_edge=False)
    for one in seen.drift[:NEWEST]:
        colour = SEVERITY_COLOURS.get(one.severity, "")
        about = "accuracy on late labels" if one.is_about_performance else ", ".join(one.columns)
        alert = f"alerts: {one.counted} of {one.window}" if one.alert else ""
        table.add_row(f"  {_when(one.trace.at)}", Text(one.severity, style=colour), Text(about), alert)
    return table


def _refusals(seen: Overview) -> Iterator[tuple[datetime, str]]:
    for one in seen.refusals[:NEWEST]:
        yield one.trace.at, one.trace.reason


def _actions(seen: Overview) -> Iterator[tuple[datetime, str]]:
    for one in seen.actions[:NEWEST]:
        where = f" on {one.channel}" if one.channel else ""
        yield one.trace.at, f"{one.trace.outcome}{where}. {one.trace.reason}".rstrip()


def _listed(name: str, rows: Iterable[tuple[datetime, str]]) -> Table:
    table = Table(f"  {name}", "", box=None, pad_edge=False)
    for at, told in rows:
        table.add_row(f"  {_when(at)}", Text(told, overflow="fold"))
    return table


def _when(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def _age(now: datetime, then: datetime) -> str:
    """How long ago, in its largest unit."""
    passed = max(now - then, timedelta())
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1))):
        if passed >= length:
            return f"{passed // length} {unit}"
    return f"{passed.seconds} s"
