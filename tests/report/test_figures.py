"""Curves over the runs of a group, and the drawing of them."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from copycost.report import wording
from copycost.report.figures import (
    curves,
    described_curves,
    inline,
    scale_shares,
    scale_values,
    shares_figure,
    undated_svg,
    values_figure,
)
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
    said = described_curves([curve], [], wording.plain)
    assert said == "DFME: from 0.1 to 0.6 after 100 queries."


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


def test_a_run_that_was_stopped_or_measured_once_is_no_part_of_a_curve(
    make_record: MakeRecord,
) -> None:
    whole = make_record(curve=points((0, 0.1), (100, 0.9)))
    stopped = make_record(seed=1, curve=points((0, 0.1), (40, 0.2)), ended="SIGTERM")
    once = make_record(seed=2, curve=points((40, 0.2)))
    groups = group_records([whole, stopped, once])
    (curve,) = curves(groups, labels(groups), "agreement")
    assert (curve.runs, curve.queries.tolist()) == (1, [0, 100])


def test_runs_that_have_only_a_moment_in_common_have_no_curve(make_record: MakeRecord) -> None:
    runs = [points((0, 0.0), (50, 0.5)), points((50, 0.5), (100, 1.0))]
    groups = group_records([make_record(seed=s, curve=c) for s, c in enumerate(runs)])
    assert curves(groups, labels(groups), "agreement") == []


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
    assert "font-family" not in svg, "text is in the page's font"
    assert ">80 %</text>" in svg
    assert "#" not in svg.replace("url(#", "").replace('href="#', ""), "no colour is fixed"


def test_values_over_decades_get_a_logarithmic_axis(make_record: MakeRecord) -> None:
    def ticks(last: float) -> str:
        curve = points((0, 1.0), (10, last), name="loss")
        groups = group_records([make_record(curve=curve)])
        return values_figure("Loss", curves(groups, labels(groups), "loss")).svg

    assert ">100</text>" in ticks(1000.0)
    assert ">1.4</text>" in ticks(2.0)
    assert "var(--line-0)" in ticks(-1.0)


def test_a_copy_that_agrees_on_everything_is_in_the_picture() -> None:
    axes = Figure().add_subplot()
    scale_shares(axes)
    low, high = axes.get_ylim()
    assert low <= 0.0
    assert high > 1.0


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [
        (1.0, 50.0, "linear"),
        (1.0, 51.0, "log"),
        (10.0, 100.0, "linear"),
        (0.0, 100.0, "linear"),
        (-1.0, 100.0, "linear"),
    ],
)
def test_an_axis_is_logarithmic_where_the_highest_is_fifty_times_the_lowest(
    make_record: MakeRecord, low: float, high: float, scale: str
) -> None:
    groups = group_records([make_record(curve=points((0, high), (10, low), name="loss"))])
    axes = Figure().add_subplot()
    scale_values(axes, curves(groups, labels(groups), "loss"))
    assert axes.get_yscale() == scale


def test_looks_repeat_only_where_colours_and_dashes_are_used_up(make_record: MakeRecord) -> None:
    """Noise is grey, and takes no colour from the attacks."""
    names = ["random-noise", *(f"attack {i}" for i in range(7)), "random-noise"]
    records = [make_record(name, moments=2, epsilon=number) for number, name in enumerate(names)]
    groups = group_records(records)
    keys = shares_figure("Agreement", curves(groups, labels(groups), "agreement")).legend
    looks = [(key.variable, key.dash) for key in keys]
    assert looks[:6] == [(f"--line-{i}", "none") for i in range(6)]
    assert looks[6:] == [("--line-0", "6 3"), ("--noise", "none"), ("--noise", "6 3")]


def test_a_name_in_a_figure_is_text_and_no_formula_with_whatever_glyphs_the_reader_has() -> None:
    name = "$\\frac{$ 模型"
    with inline("salt"):
        figure = Figure()
        figure.text(0.5, 0.5, name)
        assert f">{name}</text>" in undated_svg(figure)


def test_drawing_leaves_matplotlib_as_it_was(make_record: MakeRecord) -> None:
    before = dict(matplotlib.rcParams)
    groups = group_records([make_record(moments=2)])
    values_figure("KL", curves(groups, labels(groups), "kl"))
    assert dict(matplotlib.rcParams) == before
