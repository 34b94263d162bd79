"""The figures of a study, for the page and as files; the same records give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from textwrap import fill

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from copycost.presets.study import Panel
from copycost.report import figures as shared
from copycost.report import wording
from copycost.report.figures import INK, LINES, VARIABLES, Drawing, Key
from copycost.report.groups import spread
from copycost.report.levels import Level, draw_levels, pattern
from copycost.report.stand_alone import on_paper, png, svg
from copycost.report.table import in_words
from copycost.reproduce.epochs import queries_of_epoch
from copycost.reproduce.result import SHARES, SeriesResult, StudyResult
from copycost.reproduce.tables import and_diverged, called

WIDTH = 6.4
COURSE_HEIGHT = 3.6
ROW_HEIGHT = 0.52
NAME_WIDTH = 75
"""Characters in one line of a row's name; there is room for two lines."""
LEVEL_DASHES = ("3 2", "8 3", "1 2")
"""One per victim, as in SVG's `stroke-dasharray`."""


@dataclass(frozen=True)
class Plot:
    """One panel, ready to be drawn on any axes."""

    title: str
    height: float
    """In inches."""
    draw: Callable[[Axes], None]
    legend: list[Key]
    described: str
    """A text alternative to the panel."""


def drawings(result: StudyResult) -> list[Drawing]:
    """Every panel as inline SVG in the page's colours; none if the study is unfinished."""
    return [_inline(result.key, plot) for plot in plots(result)]


def files(result: StudyResult) -> dict[str, bytes]:
    """All panels in one SVG and one PNG, by file extension; {} if there is nothing to draw."""
    found = plots(result)
    if not found:
        return {}
    with on_paper(result.key):
        figure = _whole(result, found)
        drawn = svg(figure, heading(result)).encode()
        figure.set_layout_engine("none")  # so that the PNG keeps the SVG's layout
        return {"svg": drawn, "png": png(figure)}


def heading(result: StudyResult) -> str:
    """The title of a study, with the number of its figure."""
    number = result.study.figure
    return result.study.title if number is None else f"Figure {number}. {result.study.title}"


def plots(result: StudyResult) -> list[Plot]:
    """The panels to draw: none before every run has ended, and none without measurements."""
    if not result.complete:
        return []
    found = [_KINDS[panel.kind](result, panel) for panel in result.study.panels]
    return [plot for plot in found if plot is not None]


def _course(result: StudyResult, panel: Panel) -> Plot | None:
    """A value against queries: its median, and a band for its range, over seeds with a course."""
    found = (
        shared.curve_of(series.records, _named(result, series), panel.value)
        for series in result.series
    )
    drawn = [curve for curve in found if curve is not None]
    if not drawn:
        return None
    levels = _levels(result, panel)

    def draw(axes: Axes) -> None:
        shared.queries_across(axes)
        shared.draw_curves(axes, drawn)
        draw_levels(axes.axhline, levels)
        if panel.value in SHARES:
            shared.scale_shares(axes)
        else:
            shared.scale_values(axes, drawn)
        _epochs_above(axes, result)

    write = wording.percent if panel.value in SHARES else wording.plain
    said = f"{panel.title} against queries. {shared.described_curves(drawn, (), write)}"
    return Plot(
        panel.title,
        COURSE_HEIGHT,
        draw,
        shared.legend(drawn, levels),
        _with(levels, said),
    )


def _final(result: StudyResult, panel: Panel) -> Plot | None:
    """One row per series: a dot per seed, and a bar at their median."""
    measured = [(_named(result, one), _lasts(one, panel.value)) for one in result.series]
    rows = [(label, values) for label, values in measured if values]
    if not rows:
        return None
    levels = _levels(result, panel)
    named = [f"{label}: {_in_words(values, panel.value)}" for label, values in rows]

    def draw(axes: Axes) -> None:
        for height, (_, values) in enumerate(reversed(rows)):
            axes.plot(values, [height] * len(values), "o", color=LINES[0], alpha=0.6)
            axes.plot([median(values)], [height], "|", color=LINES[1], markersize=15, mew=2)
        _name_rows(axes, named[::-1])
        draw_levels(axes.axvline, levels)
        axes.grid(visible=True, axis="x")
        axes.set_xlabel(f"{panel.value}: each run a dot, their median a bar")
        if panel.value in SHARES:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g} %"))

    said = f"{panel.title} at the end, by series. {'. '.join(named)}."
    height = 0.9 + ROW_HEIGHT * len(rows)
    return Plot(panel.title, height, draw, shared.legend((), levels), _with(levels, said))


def _budget(result: StudyResult, panel: Panel) -> Plot | None:
    """Final values against the budgets of the series."""
    measured = [
        (one.planned[0].budget, _lasts(one, panel.value), len(one.diverged))
        for one in result.series
    ]
    found = sorted(one for one in measured if one[1])
    if not found:
        return None
    levels = _levels(result, panel)

    def draw(axes: Axes) -> None:
        for budget, values, _ in found:
            axes.plot([budget] * len(values), values, "o", color=LINES[0], alpha=0.6)
        budgets, middles = zip(*((b, median(values)) for b, values, _ in found), strict=True)
        axes.plot(budgets, middles, "-", color=LINES[0])
        draw_levels(axes.axhline, levels)
        _budgets_across(axes, budgets)
        if panel.value in SHARES:
            shared.scale_shares(axes)

    said = [
        and_diverged(f"{wording.count(b)} queries: {_in_words(values, panel.value)}", lost)
        for b, values, lost in found
    ]
    described = f"{panel.title} at the end, by budget. {'. '.join(said)}."
    key = Key("median; each run a dot", VARIABLES[LINES[0]], "none")
    legend = [key, *shared.legend((), levels)]
    return Plot(panel.title, COURSE_HEIGHT, draw, legend, _with(levels, described))


_KINDS: dict[str, Callable[[StudyResult, Panel], Plot | None]] = {
    "course": _course,
    "final": _final,
    "budget": _budget,
}


def _inline(key: str, plot: Plot) -> Drawing:
    with shared.inline(f"{key} {plot.title}"):
        figure = Figure(figsize=(WIDTH, plot.height), layout="constrained")
        plot.draw(figure.add_subplot())
        drawn = shared.inline_svg(figure, plot.title, plot.described)
        return Drawing(wording.capital(plot.title), drawn, plot.legend)


def _whole(result: StudyResult, found: Sequence[Plot]) -> Figure:
    """All panels on one sheet, two abreast, under the study's title, scale and stand-ins."""
    across = min(2, len(found))
    down = math.ceil(len(found) / across)
    heights = [max(p.height for p in found[i * across : (i + 1) * across]) for i in range(down)]
    figure = Figure(figsize=(WIDTH * across, sum(heights) + 1.2), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, height_ratios=heights)
    for axes, plot in zip(grid.flat, found, strict=False):
        plot.draw(axes)
        axes.set_title(plot.title, fontsize=11)
    for axes in grid.flat[len(found) :]:
        axes.set_axis_off()
    notes = [f"{result.scale.name} scale", *result.stand_ins.values()]
    figure.suptitle(f"{heading(result)}\n({'; '.join(notes)})", fontsize=11)
    keys = list(dict.fromkeys(key for plot in found for key in plot.legend))
    if keys:
        handles = [_handle(key) for key in keys]
        figure.legend(handles=handles, loc="outside lower center", ncols=across, frameon=False)
    return figure


def _handle(key: Key) -> Line2D:
    colours = {variable: colour for colour, variable in VARIABLES.items()}
    colours[VARIABLES[INK]] = matplotlib.rcParams["text.color"]
    style = None if key.dash == "none" else pattern(key.dash)
    return Line2D([], [], color=colours[key.variable], linestyle=style, label=key.label)


def _levels(result: StudyResult, panel: Panel) -> list[Level]:
    """The victims' accuracies, in panels of accuracy."""
    if panel.value != "accuracy":
        return []
    victims = {
        (r.victim.dataset, r.victim.accuracy): None for one in result.series for r in one.records
    }
    return [
        Level(accuracy, f"victim on {data}: {wording.percent(accuracy)}", dash)
        for (data, accuracy), dash in zip(victims, LEVEL_DASHES, strict=False)
    ]


def _with(levels: Sequence[Level], said: str) -> str:
    return " ".join([said, *(f"{wording.capital(level.label)}." for level in levels)])


def _epochs_above(axes: Axes, result: StudyResult) -> None:
    """Add an axis of the paper's epochs, if one is the same number of queries in every run."""
    worth = {queries_of_epoch(record) for one in result.series for record in one.records}
    if len(worth) != 1:
        return
    epoch = float(worth.pop())
    to_epochs, to_queries = partial(np.multiply, 1 / epoch), partial(np.multiply, epoch)
    above = axes.secondary_xaxis("top", functions=(to_epochs, to_queries))
    above.set_xlabel("epochs of 50 iterations")
    above.xaxis.set_major_locator(MaxNLocator(6))
    above.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))


def _budgets_across(axes: Axes, budgets: Sequence[int]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(budgets)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: wording.count(number)))
    axes.set_xlabel("budget in queries")
    axes.grid(visible=True)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names above their rows: beside them, they would leave small screens no room to plot."""
    left = axes.get_yaxis_transform()
    for height, name in enumerate(names):
        text = fill(name, NAME_WIDTH)
        axes.text(0.01, height + 0.2, text, transform=left, fontsize=10, va="bottom")
    axes.set_ylim(-0.4, len(names) - 0.2)
    axes.set_yticks([])


def _named(result: StudyResult, series: SeriesResult) -> str:
    """A series' name, for a legend or before the numbers of its row."""
    return and_diverged(called(result, series.label), len(series.diverged))


def _lasts(series: SeriesResult, value: str) -> list[float]:
    return [last for last in series.lasts(value) if math.isfinite(last)]


def _in_words(values: Sequence[float], value: str) -> str:
    return in_words(spread(values), wording.PERCENT if value in SHARES else wording.PLAIN)
