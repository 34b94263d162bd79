"""Curves over budgets: agreement and accuracy in both tracks, one line and band per attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from copycost.bench.result import BenchRecord, BudgetResult, Measured
from copycost.report import figures as shared
from copycost.report import stand_alone, wording
from copycost.report.figures import Curve, Drawing
from copycost.report.levels import Level, draw_levels, level_of

PANELS = {
    ("agreement", "own"): "Agreement of the attack's own student",
    ("agreement", "fresh"): "Agreement of a fresh student of the same queries",
    ("accuracy", "own"): "Accuracy of the attack's own student",
    ("accuracy", "fresh"): "Accuracy of a fresh student of the same queries",
}
"""Titles of the panels, by quality and track."""
WIDTH, HEIGHT = 5.4, 3.6


def drawings(record: BenchRecord) -> list[Drawing]:
    """The panels for a page, without those that have no data yet."""
    return [
        shared.shares_figure(title, found, _levels(record, quality))
        for (quality, track), title in PANELS.items()
        if (found := curves(record, quality, track))
    ]


def files(record: BenchRecord) -> Mapping[str, bytes]:
    """The figure with all panels, by file ending; empty until there is a curve."""
    if not any(curves(record, *panel) for panel in PANELS):
        return {}
    with stand_alone.on_paper("bench"):
        whole = stand_alone.svg(_sheet(record), "Attacks at equal queries")
        return {"svg": whole.encode(), "png": stand_alone.png(_sheet(record))}


def curves(record: BenchRecord, quality: str, track: str) -> list[Curve]:
    """One curve per attack: median, least and most over the seeds at each budget."""
    found = []
    for attack in record.attacks:
        points = [(b.budget, m[quality]) for b in attack.budgets if quality in (m := _of(b, track))]
        if points:
            found.append(
                Curve(
                    label=wording.attack_name(attack.attack),
                    queries=np.array([budget for budget, _ in points], dtype=float),
                    middle=np.array([interval.median for _, interval in points]),
                    low=np.array([interval.low for _, interval in points]),
                    high=np.array([interval.high for _, interval in points]),
                    runs=min(interval.n for _, interval in points),
                    noise=attack.attack == wording.NOISE,
                )
            )
    return found


def _of(result: BudgetResult, track: str) -> Measured:
    return result.own if track == "own" else result.fresh["last"]


def _levels(record: BenchRecord, quality: str) -> Sequence[Level]:
    """Reference lines: the victim's accuracy, or the agreement of one class for all inputs."""
    return [] if record.victim is None else [level_of(record.victim, quality, "the victim")]


def _sheet(record: BenchRecord) -> Figure:
    figure = Figure(figsize=(2 * WIDTH, 2 * HEIGHT + 0.8), layout="constrained")
    handles: dict[str, Line2D] = {}
    for axes, ((quality, track), title) in zip(
        figure.subplots(2, 2).flat, PANELS.items(), strict=True
    ):
        handles |= _panel(axes, record, quality, track)
        axes.set_title(title, fontsize=11)
    keys = {"handles": list(handles.values()), "labels": list(handles)}
    figure.legend(**keys, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _panel(axes: Axes, record: BenchRecord, quality: str, track: str) -> dict[str, Line2D]:
    """Draw one panel; return its lines by label."""
    shared.queries_across(axes)
    shared.scale_shares(axes)
    found = curves(record, quality, track)
    if not found:
        return {}
    levels = _levels(record, quality)
    labels = [curve.label for curve in found] + [level.label for level in levels]
    lines = shared.draw_curves(axes, found) + draw_levels(axes.axhline, levels)
    return dict(zip(labels, lines, strict=True))
