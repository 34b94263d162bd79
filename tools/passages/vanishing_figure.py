"""The figure of diagnoses: norms of gradients, and cosines of the estimate with the true one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, NullFormatter

from copycost.report.figures import LINES, Curve, queries_across
from copycost.report.stand_alone import on_paper, svg
from copycost.report.vanishing import cosine_curves, norm_curves, title
from copycost.report.vanishing_seeds import Seeds
from tools.passages.vanishing import diagnoses

NAME = "vanishing-gradients"


def figure_of_results(results: Path) -> str | None:
    """All committed diagnoses as SVG; None without any."""
    found = diagnoses(results)
    return vanishing_figure(found) if found else None


def vanishing_figure(found: Sequence[Seeds]) -> str:
    """A row of two panels for each diagnosis, as SVG: norms on a log axis, and cosines."""
    with on_paper(NAME):
        return svg(draw(found))


def draw(found: Sequence[Seeds]) -> Figure:
    """Draw the figure; to be called within a style such as `on_paper`."""
    figure = Figure(figsize=(10.5, 4.6 * len(found)), layout="constrained")
    for (norms, cosines), records in zip(
        figure.subplots(len(found), 2, squeeze=False), found, strict=True
    ):
        _draw(norms, norm_curves(records))
        norms.set_title(f"{title(records)}: norms of gradients", fontsize=10)
        norms.set_yscale("log")
        norms.yaxis.set_major_formatter(LogFormatter(labelOnlyBase=False))
        norms.yaxis.set_minor_formatter(NullFormatter())
        _draw(cosines, cosine_curves(records))
        cosines.set_title("cosine of the estimate with the true gradient", fontsize=10)
    return figure


def _draw(axes: Axes, curves: Sequence[Curve]) -> None:
    """Draw each curve as a line, with a band if it has a range, and the legend below."""
    for curve, colour in zip(curves, cycle(LINES), strict=False):
        axes.plot(curve.queries, curve.middle, color=colour, label=curve.label)
        if (curve.low < curve.high).any():
            axes.fill_between(
                curve.queries, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0
            )
    queries_across(axes)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=8)
