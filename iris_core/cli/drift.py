"""`iris drift backtest`, `iris drift report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from iris_core.cli.options import writable
from iris_core.cli.screen import AsJson, Screen, coloured, print_json
from iris_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from iris_core.drift.backtest.populations import Population
    from iris_core.drift.backtest.rates import Case, Cell, Rate
    from iris_core.drift.severity import TermEvidence
    from iris_core.drift.verdict import DriftVerdict
    from iris_core.tables import Input

WIDTH = 124

drift = typer.Typer(
    help="Drift verdicts: judge a batch without Airflow, and measure how right verdicts are.",
    no_args_is_help=True,
)


@drift.command()
def report(
    current: Annotated[
        str, typer.Argument(help="The batch: CSV (gzip, too) or Parquet, a file or s3://bucket/key.")
    ],
    reference: Annotated[str, typer.Option(help="The training data: a file, or s3://bucket/key.")],
    html: Annotated[Path | None, typer.Option(callback=writable, help="Write Evidently's page here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge a batch against a reference as the drift pipeline does, without Airflow, MLflow or a model.

    Compares predictions if both tables have a column `prediction`, and accuracy if both also have labels:
    then give a reference of rows that the model did not learn. Records nothing.

    Examples:

      iris drift report today.csv --reference iris_train.csv

      iris drift report s3://team-a-bucket/iris/iris_test.csv --reference iris_train.csv --json | jq .sentence
    """
    from iris_core.drift.known import Known
    from iris_core.drift.sides import compare, read_side
    from iris_core.drift.whole import answers
    from iris_core.settings.variables import load_settings
    from iris_core.tables.levels import with_learnt_levels

    settings = load_settings()
    given = _input(reference)
    table = with_learnt_levels(given, settings.project.table)
    learnt = read_side(given, table)
    known = Known(holdout=answers(learnt.sample, table.target), spread=settings.drift_batch_spread)
    verdict, tested = compare(learnt, read_side(_input(current), table), table, known)
    if html:
        html.write_text(tested.html, encoding="utf-8")
    if as_json:
        print_json(verdict.model_dump(mode="json"))
    else:
        _print_verdict(verdict)


@drift.command()
def backtest(
    reference: Annotated[
        str,
        typer.Option(help="A CSV file, s3://bucket/key, or one of the tables named above."),
    ] = "iris",
    sizes: Annotated[str, typer.Option(help="Rows of a batch, comma-separated.")] = "30,100,1000",
    references: Annotated[
        str, typer.Option(help="Rows of a reference, comma-separated; empty: the file's own number.")
    ] = "",
    rounds: Annotated[int, typer.Option(min=20, help="Batches per case; a tenth from 50,000 rows on.")] = 200,
    baseline_rounds: Annotated[
        int, typer.Option(min=0, help="The same for Evidently's defaults, which are slower.")
    ] = 50,
    seed: Annotated[int, typer.Option(min=0)] = 7,
    plot: Annotated[Path | None, typer.Option(callback=writable, help="Write a picture here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the drift verdict: false alarms, detection, and batches until an alert, for our settings and
    for Evidently's defaults beside them.

    Draws a reference and a batch for each round (from a file: its rows, with replacement), injects shifts of
    mean, scale, missing values, a level's share, prediction mix and label into the batch, and judges it. The
    first lines are without drift: what is flagged there is a false alarm, and should be 5 % at most.

    Built-in tables: iris, normal, gamma, lognormal, student5, pareto, cauchy, exponential, mixture,
    correlated, near_duplicates, columns_2, columns_100, columns_200, discrete, integers, poisson, bernoulli,
    rare, rounded, zero_inflated, zeros_99, mixed, constant, binary_rare, levels_5, levels_30,
    levels_1000, levels_and_numbers, categories_8, categories_missing.

    Examples:

      iris drift backtest --reference iris_train.csv

      iris drift backtest --reference normal --references 500,5000 --sizes 100 --rounds 1000 --plot rates.png
    """
    from iris_core.drift.backtest.plot import check_picture, picture
    from iris_core.drift.backtest.rates import Rounds, run
    from iris_core.settings.variables import load_settings

    settings = load_settings()
    if plot:
        check_picture(plot)
    options = Rounds(
        rounds,
        baseline_rounds,
        min(1, baseline_rounds),
        seed,
        settings.drift_window,
        settings.drift_violations,
    )
    population = _population(reference)
    rows = _sizes("--references", references) if references else [population.rows or 500]
    cases, screen = list(_cases(population, rows, _sizes("--sizes", sizes))), Screen()
    with screen.awaiting(f"{len(cases)} cases"):
        cells = run(population, cases, options, lambda cell: screen.say(_told(cell)))
    if plot:
        picture(cells, plot, population.name)
    if as_json:
        print_json([cell.model_dump(mode="json") for cell in cells])
    else:
        print_cells(cells, population.name, f"{options.needed} of {options.window}")


def _told(cell: Cell) -> str:
    return f"the next case; done: {cell.shift}, {cell.current:,} rows"


def _sizes(option: str, given: str) -> list[int]:
    parts = [part.strip().replace("_", "") for part in given.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ConfigError(f"{option}={given}: expected numbers of rows. Example: {option} 30,100,1000")
    return [int(part) for part in parts]


def _cases(population: Population, references: Sequence[int], sizes: Sequence[int]) -> Iterator[Case]:
    from iris_core.drift.backtest.rates import Case
    from iris_core.drift.backtest.shifts import NO_DRIFT, STANDARD, shiftable

    for shift in (NO_DRIFT, *(one for one in STANDARD if shiftable(population, one.kind))):
        for rows in references:
            yield from (Case(shift, rows, size) for size in sizes)


def _population(reference: str) -> Population:
    from iris_core.drift.backtest.populations import BUILT_IN, built_in, of_table
    from iris_core.drift.sides import read_side
    from iris_core.settings.variables import load_settings
    from iris_core.tables.levels import with_learnt_levels

    if reference in BUILT_IN:
        return built_in(reference)
    if not reference.startswith("s3://") and not Path(reference).exists():
        raise ConfigError(
            f"--reference={reference}: no such file, and no built-in table: {', '.join(BUILT_IN)}."
        )
    given = _input(reference)
    table = with_learnt_levels(given, load_settings().project.table)
    sample = read_side(given, table).sample
    return of_table(reference, sample, table.feature_names, table.target, table.coded)


def _input(place: str) -> Input:
    from iris_core.tables import LocalInput, StoredInput

    if not place.startswith("s3://"):
        return LocalInput(Path(place))
    from iris_core.cli.deployment import deployed_workspace
    from iris_core.store.objects import parse_uri

    store = deployed_workspace().store
    return StoredInput(store, parse_uri(store, place))


def _print_verdict(verdict: DriftVerdict) -> None:
    console = Screen().console
    console.print(f"{coloured(verdict.severity)}: {escape(verdict.sentence)}")
    for column in (*verdict.evidence, *verdict.whole):
        told = _carrying(column.carrying) if column.carrying else column.note
        console.print(f"  {escape(column.column):<16} {coloured(column.severity):<8} {escape(told)}")


def _carrying(term: TermEvidence) -> str:
    from iris_core.tables.findings import shown

    told = f"{term.term} changed by {term.value:.3g}, by chance {term.noise:.3g}"
    if moved := term.moved:
        told += f"; {shown(moved.level)} {moved.was:.1%} to {moved.now:.1%}".replace("%", " %")
    return told


def print_cells(cells: Sequence[Cell], name: str, debounce: str) -> None:
    """Print the backtest's table for people.

    :param cells: the results.
    :param name: the name of the reference.
    :param debounce: N of M in words.
    """
    table = Table(title=f"{name}: % of batches flagged; in brackets, batches until an alert ({debounce})")
    for heading in ("injected", "reference", "batch", "rounds"):
        table.add_column(heading, justify="right" if heading != "injected" else "left")
    for heading in ("low +", "medium +", "high", "Evidently: any column", "half of them"):
        table.add_column(heading, justify="right")
    for cell in cells:
        rates: list[Any] = [*cell.ours.values(), cell.evidently_any, cell.evidently_dataset]
        sizes = (f"{cell.reference:,}", f"{cell.current:,}", f"{cell.rounds}/{cell.baseline_rounds}")
        table.add_row(cell.shift, *sizes, *(_rate(rate) for rate in rates))
    console = Screen().console
    console.width = max(WIDTH, console.width)
    console.print(table)
    compared, same = sum(cell.compared for cell in cells), sum(cell.same for cell in cells)
    console.print(
        f"Evidently's defaults by its own test functions; {same} of {compared} rounds that were also run "
        "with its whole preset gave the same columns."
    )


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return ""
    return f"{100 * rate.share:.1f}" + (f" ({rate.delay:.1f})" if rate.delay else "")
