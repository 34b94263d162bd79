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
from copycost.studies.precision_record import PairFacts, PrecisionRecord
from tools.passages.precision import FORMS, compared, tables

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
    """Agreement of every run by arm, a panel for each victim, as SVG; None without records."""
    found = compared(results)
    if not found:
        return None
    named = [arm for arm in MEANINGS if any(arm in arms for arms in found.values())]
    with on_paper("precision-students"):
        size = (4.2 + 3.2 * len(found), 0.42 * len(named) + 1.1)
        figure = Figure(figsize=size, layout="constrained")
        places = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
        for axes, (victim, arms) in zip(places, found.items(), strict=True):
            for arm, records in arms.items():
                _draw_arm(axes, named.index(arm), records)
            axes.set_title(victim, fontsize=11)
            axes.grid(visible=True, axis="x")
        places[0].set_yticks(range(len(named)), [MEANINGS[arm] for arm in named])
        places[0].invert_yaxis()
        figure.supxlabel("agreement with the victim: each run, and the median", fontsize=10)
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
