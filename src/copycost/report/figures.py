"""Curves as inline SVG: the same records give the same bytes, in the page's own colours.

Colours are drawn as placeholders and then replaced by the page's CSS variables, so that one
figure suits light and dark themes and print. Text remains text, in the page's font.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from copycost.report import wording
from copycost.report.groups import Group
from copycost.report.levels import Level, draw_levels
from copycost.runner.record import Point, Record

INK, FAINT, NOISE = "#010203", "#040506", "#070809"
"""Placeholder colours that occur nowhere else in a drawing."""
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's palette, which people with any colour vision can tell apart."""
DASHES = {"-": "none", "--": "6 3", ":": "1.5 3"}
"""SVG's `stroke-dasharray` by Matplotlib's line style."""
VARIABLES = {INK: "--ink", FAINT: "--faint", NOISE: "--noise"} | {
    colour: f"--line-{i}" for i, colour in enumerate(LINES)
}
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    # Labels hold names from records, which are text and never formulas.
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.alpha": 0.25,
    "lines.linewidth": 1.8,
}
WIDE_RANGE = 50.0
"""Positive values whose largest is this many times the smallest are drawn on a log axis."""


@dataclass(frozen=True)
class Curve:
    """One group's values against queries: median, minimum and maximum over its runs."""

    label: str
    queries: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    runs: int
    noise: bool


@dataclass(frozen=True)
class Key:
    """One line of a legend, which the page sets as text so that it can wrap."""

    label: str
    variable: str
    """The CSS variable that holds the colour."""
    dash: str
    """As in SVG's `stroke-dasharray`."""


@dataclass(frozen=True)
class Drawing:
    """A figure ready for the page."""

    title: str
    svg: Markup
    legend: list[Key]


def curves(groups: Sequence[Group], names: Sequence[str], value: str) -> list[Curve]:
    """The curve of `value` for every group that has one: see `curve_of`."""
    found = (
        curve_of(group.counted, name, value, noise=group.attack == wording.NOISE)
        for group, name in zip(groups, names, strict=True)
    )
    return [curve for curve in found if curve is not None]


def shares_figure(title: str, drawn: Sequence[Curve], levels: Sequence[Level] = ()) -> Drawing:
    """Shares in [0, 1] against queries, with percentages on the axis."""
    described = f"{title} against queries. " + described_curves(drawn, levels, wording.percent)
    with inline(title):
        figure, axes = _axes(3.4)
        draw_curves(axes, drawn)
        draw_levels(axes.axhline, levels)
        scale_shares(axes)
        return Drawing(title, inline_svg(figure, title, described), legend(drawn, levels))


def values_figure(title: str, drawn: Sequence[Curve]) -> Drawing:
    """Losses, norms and the like against queries; a log axis where they span decades."""
    described = f"{title} against queries. " + described_curves(drawn, (), wording.plain)
    with inline(title):
        figure, axes = _axes(2.8)
        draw_curves(axes, drawn)
        scale_values(axes, drawn)
        return Drawing(title, inline_svg(figure, title, described), legend(drawn, ()))


def scale_shares(axes: Axes) -> None:
    """Scale the axis to shares in [0, 1], as percentages, with no value cut off."""
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.0f} %"))


def scale_values(axes: Axes, drawn: Sequence[Curve]) -> None:
    """Use a log axis where the values of `drawn` span decades."""
    if _spans_decades(drawn):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def curve_of(
    records: Sequence[Record], label: str, value: str, *, noise: bool = False
) -> Curve | None:
    """Median and range of `value` over the runs, where the measurements of all of them overlap.

    Runs that measured it fewer than two times are left out; None if fewer than two moments remain.
    """
    runs = [points for r in records if len(points := _points(r.curve, value)) > 1]
    if not runs:
        return None
    first, last = max(p[0, 0] for p in runs), min(p[-1, 0] for p in runs)
    asked = np.unique(np.concatenate([p[:, 0] for p in runs]))
    asked = asked[(asked >= first) & (asked <= last)]
    if len(asked) < 2:
        return None
    # Resumed runs measure at other moments than the rest, so values are interpolated linearly.
    values = np.stack([np.interp(asked, p[:, 0], p[:, 1]) for p in runs])
    low, high = values.min(axis=0), values.max(axis=0)
    return Curve(label, asked, np.median(values, axis=0), low, high, len(runs), noise)


def _points(curve: Sequence[Point], value: str) -> np.ndarray:
    """Finite measurements as rows (queries, value), ascending; of two at one moment, the later."""
    found = {
        point.queries: point.values[value]
        for point in curve
        if math.isfinite(point.values.get(value, math.nan))
    }
    return np.array(sorted(found.items()), dtype=float).reshape(-1, 2)


@contextmanager
def inline(salt: str) -> Iterator[None]:
    """Context in which figures are drawn for a page, in placeholder colours."""
    with drawn_with(SETTINGS | {"svg.hashsalt": salt}):
        yield


@contextmanager
def drawn_with(settings: Mapping[Any, Any]) -> Iterator[None]:
    """Context with Matplotlib's defaults and `settings`, whatever the user has configured."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # The reader's browser draws the text, with whatever glyphs it has.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        yield


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, height), layout="constrained")
    axes = figure.add_subplot()
    queries_across(axes)
    return figure, axes


def queries_across(axes: Axes) -> None:
    """Add a grid, and whole numbers of queries along the horizontal axis."""
    axes.grid(visible=True)
    axes.set_xlabel("queries")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2.5, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: wording.count(number)))


def draw_curves(axes: Axes, drawn: Sequence[Curve]) -> list[Line2D]:
    """Draw each curve as a line that ends in a dot, with a band for the range of its runs.

    Returns the lines, in the order of the curves.
    """
    lines = []
    for curve, (colour, dash) in zip(drawn, _looks(drawn), strict=True):
        lines += axes.plot(curve.queries, curve.middle, dash, color=colour)
        axes.plot(curve.queries[-1:], curve.middle[-1:], "o", color=colour, markersize=5)
        if curve.runs > 1:
            band = (curve.queries, curve.low, curve.high)
            axes.fill_between(*band, color=colour, alpha=0.2, linewidth=0)
    most = max(float(curve.queries[-1]) for curve in drawn)
    axes.set_xlim(-0.02 * most, 1.02 * most)
    return lines


def _looks(drawn: Sequence[Curve]) -> Iterator[tuple[str, str]]:
    """A colour and a dash for each curve; noise is grey, to set the baseline apart."""
    dashes = list(DASHES)
    attacks = noises = 0
    for curve in drawn:
        if curve.noise:
            yield NOISE, dashes[noises % len(dashes)]
            noises += 1
        else:
            yield LINES[attacks % len(LINES)], dashes[attacks // len(LINES) % len(dashes)]
            attacks += 1


def legend(drawn: Sequence[Curve], levels: Sequence[Level]) -> list[Key]:
    """One entry for every curve and level."""
    found = [
        Key(
            f"{curve.label} ({wording.plural(curve.runs, 'run')})",
            VARIABLES[colour],
            DASHES[dash],
        )
        for curve, (colour, dash) in zip(drawn, _looks(drawn), strict=True)
    ]
    return found + [Key(level.label, VARIABLES[INK], level.dash) for level in levels]


def _spans_decades(drawn: Sequence[Curve]) -> bool:
    least = min(float(curve.low.min()) for curve in drawn)
    return least > 0 and max(float(curve.high.max()) for curve in drawn) > WIDE_RANGE * least


def described_curves(
    drawn: Sequence[Curve], levels: Sequence[Level], write: Callable[[float], str]
) -> str:
    """A text alternative to the figure: both ends of every curve, and every level."""
    said = [
        f"{curve.label}: from {write(curve.middle[0])} to {write(curve.middle[-1])} "
        f"after {wording.count(curve.queries[-1])} queries."
        for curve in drawn
    ]
    return " ".join(said + [f"{level.label}: {write(level.value)}." for level in levels])


def undated_svg(figure: Figure, title: str | None = None) -> str:
    """The figure as Matplotlib writes it, with no date and nothing else that may differ."""
    buffer = io.StringIO()
    metadata: dict[str, str | None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    if title is not None:
        metadata["Title"] = title
    FigureCanvasSVG(figure)
    figure.savefig(buffer, format="svg", metadata=metadata)
    return buffer.getvalue()


def inline_svg(figure: Figure, title: str, described: str) -> Markup:
    """The figure as an `<svg>` element for an HTML page, without size, ids or references."""
    drawing = undated_svg(figure)
    drawing = drawing[drawing.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', drawing)
    assert box is not None, "Matplotlib gives every drawing a viewBox"
    body = drawing[drawing.index(">") + 1 :]
    # The style would apply to the whole page, and ids of groups would repeat between figures.
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    # Text takes the page's font, although Matplotlib placed it with the metrics of another.
    body = re.sub(r"font-family: [^;\"]*;", "", body)
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    label = escape(described)
    head = f'<svg {box[0]} role="img" aria-label="{label}"><title>{escape(title)}</title>'
    return Markup(head + body)
