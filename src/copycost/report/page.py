"""A self-contained HTML page from the records of runs: no scripts, network access or dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from copycost.errors import RunError
from copycost.files import AnyPath, write_atomically
from copycost.report import cost, figures, measured, runs, wording
from copycost.report.defended import DefenceRow, defence_rows
from copycost.report.doubts import by_flag, doubts
from copycost.report.explanations import EXPLANATIONS, explanation
from copycost.report.groups import Group, group_records
from copycost.report.headline import Headline, headlines
from copycost.report.knowledge import MEANINGS, held
from copycost.report.levels import level_of
from copycost.report.runs import ReportedRun, read_run
from copycost.report.table import Row, attacker, labels, rows
from copycost.report.tariff import Tariff
from copycost.runner.record import RECORD_FILE

RESULTS = ("agreement", "accuracy")
COLUMNS = {
    "knowledge": "The attacker holds",
    "defences": "Defences",
    "access": "Access",
    "student": "Student",
    "budget": "Budget in queries",
}
"""Columns of the table that are shown only where rows differ in them."""


@dataclass(frozen=True)
class Tile:
    """One number of the summary."""

    number: str
    caption: str


@dataclass(frozen=True)
class Table:
    """The rows of one victim, and what all of them share."""

    rows: list[Row]
    columns: dict[str, str]
    shared: list[tuple[str, str]]


@dataclass(frozen=True)
class VictimSection:
    """Everything the page shows about one copied model."""

    headline: Headline
    tiles: list[Tile]
    facts: list[tuple[str, str]]
    results: list[figures.Drawing]
    training: list[figures.Drawing]
    table: Table
    costs: list[cost.CostRow]
    defences: list[DefenceRow]


def write_report(
    run_folders: AnyPath | Sequence[AnyPath],
    path: AnyPath,
    price: float | None = None,
    rate: float | None = None,
    failed: Sequence[str] = (),
) -> Path:
    """Write the report on the runs in `run_folders`, one or several, to `path` and return it.

    `price` is the API's price for 1,000 queries, in US dollars; `rate`, the most queries a second
    that it lets one customer send. `failed` names the runs that failed, which the page lists: a
    reader should not take the others for all. Raises `ConfigError` unless price and rate are
    positive and finite, `RunError` if there are no runs or one cannot be read.
    """
    tariff = Tariff(price, rate)
    if isinstance(run_folders, str | PathLike):
        run_folders = [run_folders]
    if not run_folders:
        raise RunError("There are no runs to report on; give at least one run folder.")
    # A run that is named twice, by its folder or by the record in it, must not count as two.
    named = {_record_at(place): place for place in map(Path, run_folders)}
    page = render([read_run(place) for place in named.values()], tariff, failed)
    path = Path(path)
    write_atomically(path, page.encode("utf-8"))
    return path


def _record_at(place: Path) -> Path:
    return (place / RECORD_FILE if place.is_dir() else place).resolve()


def render(found: Sequence[ReportedRun], tariff: Tariff, failed: Sequence[str] = ()) -> str:
    """The page on `found`; the same runs in the same order give the same page."""
    groups = group_records([run.record for run in found])
    return (
        templates()
        .get_template("page.html.j2")
        .render(
            victims=[_victim(headline, groups, tariff) for headline in headlines(groups)],
            failed=failed,
            flagged=by_flag(doubts(groups)),
            checks=[text.title for text in EXPLANATIONS.values()],
            found=found,
            names=_run_names(found, groups),
            levels=[f"{level * 100:.0f}{wording.NBSP}%" for level in cost.LEVELS],
            price=tariff.money(1_000),
            pace=tariff.pace(),
            holdings=_holdings(found),
            terms=measured.meanings(_others(groups)),
        )
    )


def templates(*folders: Path) -> Environment:
    """An environment with the templates in `folders` and the report's own, and their helpers."""
    # Strings from records are untrusted, so every template escapes, whatever its file's name.
    environment = Environment(
        loader=FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(wording=wording, runs=runs, explanation=explanation)
    return environment


def _victim(headline: Headline, groups: Sequence[Group], tariff: Tariff) -> VictimSection:
    ours = [group for group in groups if headline.is_about(group)]
    names = labels(ours)
    return VictimSection(
        headline=headline,
        tiles=_tiles(headline, tariff),
        facts=runs.victim_facts([record.victim for group in ours for record in group.records]),
        results=_results(ours, names),
        training=_training(ours, names),
        table=_table(ours),
        costs=cost.cost_rows(ours, tariff),
        defences=defence_rows(ours),
    )


def _tiles(headline: Headline, tariff: Tariff) -> list[Tile]:
    best, noise = headline.group, headline.noise
    if best is None or best.agreement is None:
        return []
    attack = attacker(best)
    tiles = [Tile(wording.percent(best.agreement.median), f"agreement of the copy by {attack}")]
    if best.accuracy is not None:
        original = wording.percent(best.victim.accuracy)
        number = wording.percent(best.accuracy.median)
        tiles.append(Tile(number, f"accuracy of the copy; your model: {original}"))
    if noise is not None and noise.finished and noise.agreement is not None:
        number = wording.percent(noise.agreement.median)
        tiles.append(Tile(number, "agreement reached by random noise"))
    tiles.append(Tile(wording.count(best.spent.median), "queries spent on one copy"))
    if money := tariff.money(best.spent.median):
        tiles.append(Tile(money, "asked by the API for them"))
    if tariff.rate:
        asking = wording.duration(tariff.seconds(best.spent.median, computing=0))
        tiles.append(Tile(asking, f"to ask them at {tariff.pace()}"))
    tiles.append(Tile(wording.duration(best.seconds.median), "computing time for one copy"))
    return tiles


def _results(groups: Sequence[Group], names: Sequence[str]) -> list[figures.Drawing]:
    """Figures of agreement and accuracy, each with its reference level."""
    titles = {"agreement": "Agreement with your model", "accuracy": "Accuracy of the copy"}
    victim = groups[0].victim
    drawn = {value: figures.curves(groups, names, value) for value in RESULTS}
    return [
        figures.shares_figure(titles[value], drawn[value], [level_of(victim, value, "your model")])
        for value in RESULTS
        if drawn[value]
    ]


def _holdings(found: Sequence[ReportedRun]) -> dict[str, str]:
    """What attackers held, for each class on the page that has an explanation."""
    classes = dict.fromkeys(held(run.record) for run in found)
    return {name: MEANINGS[name] for name in classes if name in MEANINGS}


def _others(groups: Sequence[Group]) -> list[str]:
    """Every value but the results that was measured during the runs."""
    records = [record for group in groups for record in group.counted]
    values = dict.fromkeys(v for r in records for p in r.curve for v in p.values)
    return [value for value in values if value not in RESULTS]


def _training(groups: Sequence[Group], names: Sequence[str]) -> list[figures.Drawing]:
    """One figure for every other value that was measured more than once."""
    drawn = {value: figures.curves(groups, names, value) for value in _others(groups)}
    return [
        (figures.shares_figure if measured.is_share(value) else figures.values_figure)(
            measured.title(value), found
        )
        for value, found in drawn.items()
        if found
    ]


def _table(groups: Sequence[Group]) -> Table:
    found = rows(groups)
    values = {key: list(dict.fromkeys(getattr(row, key) for row in found)) for key in COLUMNS}
    return Table(
        rows=found,
        columns={key: title for key, title in COLUMNS.items() if len(values[key]) > 1},
        shared=[(COLUMNS[key], only[0]) for key, only in values.items() if len(only) == 1],
    )


def _run_names(found: Sequence[ReportedRun], groups: Sequence[Group]) -> list[str]:
    """What to call each run: its group's label and its seed."""
    of_record = {
        id(record): label
        for group, label in zip(groups, labels(groups), strict=True)
        for record in group.records
    }
    return [
        wording.capital(f"{of_record[id(run.record)]}, seed {run.record.seed}") for run in found
    ]
