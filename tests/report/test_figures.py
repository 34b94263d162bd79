"""Curves over the runs of a group, and the drawing of them."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib
import numpy as np

from copycost.report.figures import curves, shares_figure, values_figure
from copycost.report.groups import group_records
from copycost.report.levels import Level
from copycost.report.table import labels
from copycost.runner.record import Point, Record

MakeRecord = Callable[..., Record]


def points(*pairs: tuple[int, float], name: str = "agreement") -> list[Point]:
    return [Point(queries=q, seconds=0.0, values={name: v}) for q, v in pairs]


def test_the_middle_is_the_median_and_the_band_the_range(make_record: MakeRecord) -> None:
    runs = [points((0, 0.1), (100, last)) for last in (0.5, 0.9, 0.6)]
    groups = group_records([make_record(seed=s, curve=c) for s, c in enumerate(runs)])
    (curve,) = curves(groups, labels(groups), "agreement")
    assert curve.runs == 3
    assert curve.middle.tolist() == [0.1, 0.6]
    assert (curve.low[-1], curve.high[-1]) == (0.5, 0.9)


def test_runs_measured_at_other_moments_meet_on_what_all_of_them_reached(
    make_record: MakeRecord,
) -> None:
    runs = [points((0, 0.0), (50, 0.5), (100, 1.0)), points((20, 0.2), (80, 0.8))]
    groups = group_records([make_record(seed=s, curve=c) for s, c in enumerate(runs)])
    (curve,) = curves(groups, labels(groups), "agreement")
    assert curve.queries.tolist() == [20, 50, 80]
    assert np.allclose(curve.low, curve.high), "both lie on one line"


def test_what_is_not_finite_or_measured_once_is_not_drawn(make_record: MakeRecord) -> None:
    groups = group_records([make_record(curve=points((0, float("nan")), (10, 1.0)))])
    assert curves(groups, labels(groups), "agreement") == []
    assert curves(groups, labels(groups), "of nothing") == []


def test_figures_tell_in_words_what_they_show(make_record: MakeRecord) -> None:
    groups = group_records([make_record(curve=points((0, 0.1), (150_000, 0.9)))])
    drawn = curves(groups, labels(groups), "agreement")
    figure = shares_figure("Agreement", drawn, [Level(0.5, "a <level>")])
    assert [key.label for key in figure.legend] == ["DFME (1 run)", "a <level>"]
    svg = figure.svg.replace("\u00a0", " ")
    assert 'role="img" aria-label="Agreement against queries. DFME: from 10.0 % to 90.0 %' in svg
    assert "after 150,000 queries. a &lt;level&gt;: 50.0 %." in svg
    assert ">150,000</text>" in svg, "tick labels are text, with separators"
    assert "var(--line-0)" in svg
    assert "#" not in svg.replace("url(#", "").replace('href="#', ""), "no colour is fixed"


def test_values_over_decades_get_a_logarithmic_axis(make_record: MakeRecord) -> None:
    def ticks(last: float) -> str:
        curve = points((0, 1.0), (10, last), name="loss")
        groups = group_records([make_record(curve=curve)])
        return values_figure("Loss", curves(groups, labels(groups), "loss")).svg

    assert ">100</text>" in ticks(1000.0)
    assert ">1.4</text>" in ticks(2.0)
    assert "var(--line-0)" in ticks(-1.0)


def test_drawing_leaves_matplotlib_as_it_was(make_record: MakeRecord) -> None:
    before = dict(matplotlib.rcParams)
    groups = group_records([make_record(moments=2)])
    values_figure("KL", curves(groups, labels(groups), "kl"))
    assert dict(matplotlib.rcParams) == before
