"""`iris ledger`, `iris explain`, `iris rollback`, `iris retry`: show decisions, and undo them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from iris_core.cli.deployment import deployed_workspace, open_in_person
from iris_core.cli.options import reasoned
from iris_core.cli.screen import AsJson, Screen, coloured, print_json

if TYPE_CHECKING:
    from iris_core.ledger import Record


class KindName(StrEnum):
    """A kind of decision in the ledger."""

    training = "training"
    promotion = "promotion"
    scoring = "scoring"
    performance = "performance"
    drift = "drift"
    action = "action"


ledger_app = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")


def _time(text: str | None) -> datetime | None:
    """Parse a time that a person typed; without a zone it is local time."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text).astimezone()
        moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = f"{text!r} is not a time. Example: 2026-11-01T12:00, or 2026-11-01T12:00+00:00"
        raise typer.BadParameter(message) from error
    return moment


def _known_outcome(outcome: str | None) -> str | None:
    from iris_core.drift.thresholds import SEVERITIES
    from iris_core.ledger import Outcome

    known = (*Outcome, *SEVERITIES)
    if outcome is not None and outcome not in known:
        raise typer.BadParameter(f"{outcome!r} is no outcome. Known: {', '.join(known)}.")
    return outcome


@ledger_app.callback()
def ledger(
    context: typer.Context,
    kind: Annotated[
        list[KindName] | None, typer.Option(help="Only these decisions; may be repeated.")
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            callback=_known_outcome,
            help="Only with this outcome: trained, promoted, refused, scored, failed, high, …",
        ),
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Only about this model version: its training, scorings, drift.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only from this time on, such as 2026-11-01T12:00.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only before this time.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest to print.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Print the newest decisions, with their evidence: trainings, promotions, scorings, verdicts.

    Those with an outcome, or about a version, are searched for among the newest 50,000 of each kind; --until
    goes further back.

    Examples:

      iris ledger

      iris ledger --kind promotion --outcome refused --since 2026-11-01

      iris ledger --version 3 --json | jq .[0].evidence

      iris ledger at 2026-11-01T12:00
    """
    if context.invoked_subcommand:
        return
    from iris_core.history.queries import Question, matching
    from iris_core.ledger import KINDS

    wanted = {chosen.value for chosen in kind or []}
    kinds = tuple(name for name in KINDS if name in wanted)
    asked = Question(kinds, outcome, _time(since), _time(until), version)
    records = list(islice(matching(deployed_workspace().ledger, asked), limit))
    if as_json:
        print_json([record.model_dump(mode="json") for record in records])
    elif not records and asked == Question():
        typer.echo("No decision yet. Upload something: iris upload FILE --as train")
    else:
        _print_records(records)


@ledger_app.command()
def at(
    moment: Annotated[str, typer.Argument(metavar="TIME", help="Such as 2026-11-01T12:00; local time.")],
    as_json: AsJson = False,
) -> None:
    """Show which version was staged at a time, and why, according to the ledger.

    Examples:

      iris ledger at 2026-11-01T12:00
    """
    from iris_core.history.queries import staged_at
    from iris_core.history.story import when

    asked = _time(moment)
    assert asked is not None
    record = staged_at(deployed_workspace().ledger, asked)
    if as_json:
        print_json(record.model_dump(mode="json") if record else None)
    elif record is None:
        typer.echo(f"Nothing was staged at {when(asked)}.")
    else:
        typer.echo(
            f"At {when(asked)} version {record.model.version} of {record.model.name} was staged: "
            f"{record.outcome} on {when(record.at)}. {record.reason}"
        )


def explain(
    version: Annotated[int, typer.Argument(min=1, help="A version of the registered model.")],
    as_json: AsJson = False,
) -> None:
    """Tell a model version's story: data, training, evidence, promotions, scorings, drift.

    Examples:

      iris explain 3

      iris explain 3 --json | jq .promotions[0].evidence.champion
    """
    from iris_core.history.queries import story
    from iris_core.history.story import paragraph

    told = story(deployed_workspace().ledger, version)
    if as_json:
        print_json({"text": paragraph(told), **told.as_json()})
    else:
        typer.echo(paragraph(told))


def rollback(
    reason: Annotated[str, typer.Option(callback=reasoned, help="The reason, for the record.")],
    version: Annotated[
        int | None, typer.Argument(min=1, help="The version to stage again; by default the one before.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Allow a version that was never approved.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stage an earlier model version again; inference follows by itself.

    A model that is trained and approved later replaces it. Needs MLflow and the store.

    Examples:

      iris rollback --reason "version 4 confuses virginica with versicolor"

      iris rollback 2 --reason "the last one that the field team trusts"
    """
    from iris_core import models, promotion
    from iris_core.errors import PromotionRefused
    from iris_core.history.queries import staged_before

    workspace = open_in_person()
    if version is None:
        now = models.staged(workspace.settings)
        if now is None:
            raise PromotionRefused("Nothing is staged: name the version to stage.")
        version = staged_before(workspace.ledger, now.version)
    record = promotion.rollback(workspace, version, reason, datetime.now(UTC), force)
    if as_json:
        print_json(record.model_dump(mode="json"))
    else:
        before = record.inputs.from_version
        instead = f" in place of version {before}" if before else ""
        staged = models.staged(workspace.settings)
        since = f", and version {staged.version} since" if staged and staged.version != version else ""
        typer.echo(
            f"Version {version} of {record.model.name} is staged{instead}{since}. {record.identity.path}"
        )


def retry(
    uploaded: Annotated[
        str, typer.Argument(metavar="OBJECT", help="s3://bucket/key, or s3://bucket/key?versionId=…")
    ],
    reason: Annotated[str, typer.Option(callback=reasoned, help="Why it may succeed now, for the record.")],
    as_json: AsJson = False,
) -> None:
    """Reopen decisions that were given up as failed; a watcher starts a run that works on them again.

    Examples:

      iris ledger --outcome failed

      iris retry s3://team-a-bucket/iris/iris_test.csv --reason "workers have 8 GB now"
    """
    from iris_core.ledger.tries import reopen

    records = reopen(open_in_person(), uploaded, reason)
    if as_json:
        print_json([record.model_dump(mode="json") for record in records])
    for record in [] if as_json else records:
        typer.echo(f"{record.kind} of {record.about.uri} is owed again. {record.identity.path}")


def _print_records(records: list[Record]) -> None:
    from rich.table import Table

    screen = Screen().console
    if not records:
        screen.print("No such decision. Ask for less: iris ledger")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("decided", "kind", "outcome", "version", "about"):
        table.add_column(name, no_wrap=name != "about")
    for record in records:
        table.add_row(*_row(record))
    screen.print(table)


def _row(record: Record) -> tuple[str, str, str, str, str]:
    key = record.about.key if record.about else ""
    version = str(record.model.version) if record.model else ""
    told = " ".join(part for part in (f"[dim]{escape(key)}[/]", escape(_tell(record))) if part)
    moment = f"{record.at.astimezone():%Y-%m-%d %H:%M:%S}"
    return moment, record.kind, coloured(record.outcome), version, told


def _tell(record: Record) -> str:
    """The first part of the reason, or some of the evidence; `iris explain` tells everything."""
    if record.reason:
        return record.reason.split("; ")[0]
    shown: dict[str, Any] = {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in record.evidence.model_dump(mode="json").items()
        if isinstance(value, int | float | str)
    }
    return ", ".join(f"{name} {value}" for name, value in islice(shown.items(), 4))
