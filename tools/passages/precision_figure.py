"""The figures of `docs/precision.md`: the same records give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from copycost.presets.precision import MEANINGS
from copycost.report.figures import LINES
from copycost.report.stand_alone import on_paper, svg
from copycost.runner.record import Record
from copycost.studies.record import PairFacts, PrecisionRecord
from tools.passages.precision import FORMS, runs, tables

DASHES = dict(zip(FORMS, ("-", "--"), strict=True))


def correlation_figure(results: Path) -> str | None:
    """Correlation over the step for every pair and arithmetic, as SVG; None without records."""
    drawn = [(record, facts) for record in tables(results) for facts in _firsts(record)]
    if not drawn:
        return None
    with on_paper("precision-correlation"):
        figure = Figure(figsize=(3.1 * len(drawn) + 0.4, 3.6), layout="constrained")
        axes = figure.subplots(1, len(drawn), sharey=True, squeeze=False)[0]
        for place, (record, facts) in zip(axes, drawn, strict=True):
            _draw_pair(place, record, facts)
        axes[0].set_ylabel("correlation with the true slope")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        return svg(figure)


def students_figure(results: Path) -> str | None:
    """Agreement of every run by arm, as SVG; None without records."""
    found = runs(results)
    if not found:
        return None
    with on_paper("precision-students"):
        figure = Figure(figsize=(7.2, 0.42 * len(found) + 0.9), layout="constrained")
        axes = figure.subplots()
        for height, records in enumerate(reversed(found.values())):
            _draw_arm(axes, height, records)
        axes.set_yticks(range(len(found)), [MEANINGS[arm] for arm in reversed(found)])
        axes.set_xlabel("agreement with the victim: each run, and the median")
        axes.grid(visible=True, axis="x")
        return svg(figure)


def _draw_pair(axes: Axes, record: PrecisionRecord, facts: PairFacts) -> None:
    cells = [c for c in record.cells if c.pair == facts.pair]
    for colour, name in zip(LINES, dict.fromkeys(c.arithmetic for c in cells), strict=False):
        for form in FORMS:
            of_form = [c for c in cells if (c.arithmetic, c.form) == (name, form)]
            steps = sorted({c.epsilon for c in of_form})
            values = [median(c.correlation for c in of_form if c.epsilon == e) for e in steps]
            per_value = [e / facts.dimensions**0.5 for e in steps]
            label = f"{name}, {form}"
            axes.plot(per_value, values, DASHES[form], color=colour, marker=".", label=label)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    # Plain numbers: formulas are not parsed in figures.
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:g}"))
    axes.set_xlabel("ε / √d")
    axes.set_title(f"{facts.pair}, d = {facts.dimensions:,}", fontsize=11)
    axes.grid(visible=True)


def _draw_arm(axes: Axes, height: int, records: Sequence[Record]) -> None:
    values = [record.result["agreement"] for record in records]
    axes.plot(values, [height] * len(values), "o", color=LINES[0], alpha=0.6)
    axes.plot([median(values)], [height], "|", color=LINES[1], markersize=18)


def _firsts(record: PrecisionRecord) -> list[PairFacts]:
    return [facts for facts in record.pairs if facts.seed == 0]
