"""Queries, time and money to an agreement: worked out by hand on made-up curves."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from copycost.errors import ConfigError
from copycost.report import wording
from copycost.report.cost import (
    LEVELS,
    Cost,
    cost_of,
    cost_rows,
    cost_to,
    queries_to_agreement,
)
from copycost.report.groups import group_records
from copycost.report.page import write_report
from copycost.report.tariff import Tariff
from copycost.report.wording import MISSING
from copycost.runner.record import Point, Record

MakeRecord = Callable[..., Record]
NBSP = "\u00a0"


@pytest.fixture
def curve(make_record: MakeRecord) -> Callable[..., Record]:
    def record(*agreements: float | None, seed: int = 0, attack: str = "dfme") -> Record:
        """100 queries and ten seconds from point to point; None where agreement is not measured."""
        points = [
            Point(queries=100 * i, seconds=10.0 * i, values={} if a is None else {"agreement": a})
            for i, a in enumerate(agreements)
        ]
        return make_record(attack, seed).model_copy(update={"curve": points})

    return record


def test_the_first_moment_from_which_on_a_copy_agrees(curve):
    record = curve(0.1, 0.85, 0.6, None, 0.8, 0.9)
    assert cost_to(record, 0.5) == Cost(100, 10.0)
    assert cost_to(record, 0.8) == Cost(400, 40.0), "what came by luck and went does not count"
    assert cost_to(record, 0.9) == Cost(500, 50.0)
    assert cost_to(record, 0.95) is None
    assert queries_to_agreement(record) == {"50%": 100, "80%": 400, "90%": 500, "95%": None}


@pytest.mark.parametrize("agreements", [(0.9, 0.4), (0.1, math.nan), (None, None), ()])
def test_a_copy_that_ended_below_was_not_there(curve, agreements):
    assert cost_to(curve(*agreements), 0.5) is None


def test_over_seeds_it_is_the_median_and_more_than_half_must_have_come_so_far(curve):
    fast, slow, never = (0.1, 0.9), (0.1, 0.1, 0.1, 0.9), (0.1, 0.1)
    (group,) = group_records([curve(*c, seed=i) for i, c in enumerate((slow, never, fast))])
    assert cost_of(group, 0.9) == Cost(300, 30.0)
    (group,) = group_records([curve(*c, seed=i) for i, c in enumerate((slow, fast))])
    assert cost_of(group, 0.9) == Cost(200, 20.0)
    (group,) = group_records([curve(*c, seed=i) for i, c in enumerate((never, fast))])
    assert cost_of(group, 0.9) is None


def test_stopped_runs_are_left_out_where_any_finished(curve):
    stopped = curve(0.1, 0.1).model_copy(update={"ended": "SIGTERM"})
    (group,) = group_records([stopped, curve(0.1, 0.9, seed=1)])
    assert cost_of(group, 0.9) == Cost(100, 10.0)


def test_a_row_says_queries_money_and_time(curve):
    groups = group_records([curve(0.1, 0.82), curve(0.1, 0.2, attack="random-noise")])
    dfme, noise = cost_rows(groups, Tariff(1.5))
    assert dfme.label == "DFME"
    assert dfme.cells == [f"100, US${NBSP}0.15, 10{NBSP}s"] * 2 + [MISSING] * 2
    assert noise.cells == [MISSING] * len(LEVELS)
    assert cost_rows(groups, Tariff())[0].cells[0] == f"100, 10{NBSP}s"


def test_where_no_copy_came_far_there_is_nothing_to_say(curve):
    assert cost_rows(group_records([curve(0.1, 0.49)]), Tariff()) == []


@pytest.mark.parametrize(
    ("queries", "price", "said"),
    [
        (6_000, 1.5, "9.00"),
        (66_600, 1.5, "99.90"),
        (2_000_000, 1.0, "2,000"),
        (20, 1.0, "0.02"),
        (2, 2.15, "0.0043"),
        (10, 1.0, "0.01"),
        (100_000, 1.0, "100"),
        (0, 1.0, "0.00"),
    ],
)
def test_money_is_queries_times_the_price_of_a_thousand(queries, price, said):
    assert Tariff(price).money(queries) == f"US${NBSP}{said}"


@pytest.mark.parametrize(("rate", "seconds"), [(None, 10), (20, 10), (10, 10), (5, 20)])
def test_a_limited_rate_takes_its_time_if_that_is_longer(curve, rate, seconds):
    (row,) = cost_rows(group_records([curve(0.1, 0.82)]), Tariff(rate=rate))
    assert row.cells[0] == f"100, {seconds}{NBSP}s"


def test_twenty_million_queries_at_twenty_a_second_take_eleven_days():
    seconds = Tariff(rate=20).seconds(20_000_000, 3_600)
    assert wording.duration(seconds) == f"11{NBSP}d 13{NBSP}h"


def test_the_page_has_what_agreement_cost_with_and_without_a_price(make_run, tmp_path):
    runs = [make_run("dfme", 0, 0.93, moments=9), make_run("random-noise", 0, 0.15, moments=9)]
    plain = write_report(runs, tmp_path / "plain.html").read_text()
    assert 'id="costs"' in plain
    assert f'<th scope="col" class="number">95{NBSP}%</th>' in plain
    assert "US$" not in plain
    priced = write_report(runs, tmp_path / "priced.html", price=2.0).read_text()
    assert f"money at US${NBSP}2.00 for 1,000 of them" in priced
    assert f"<b>US${NBSP}300</b><span>asked by the API for them</span>" in priced
    assert priced.count("US$") == 2 + 3, "a price, a tile, and three of the four levels"
    assert "queries a second" not in priced
    assert "and computing time until" in priced
    limited = write_report(runs, tmp_path / "limited.html", rate=2.5).read_text()
    assert (
        f"<b>16{NBSP}h 40{NBSP}min</b><span>to ask them at 2.5 queries a second</span>" in limited
    )
    quick = write_report(runs, tmp_path / "quick.html", rate=1_000).read_text()
    assert f"<b>2{NBSP}min 30{NBSP}s</b><span>to ask them at 1,000 queries a second</span>" in quick
    assert "the time to ask at 2.5 queries a second where that is longer" in limited
    assert "US$" not in limited
    poor = write_report(runs[1:], tmp_path / "poor.html").read_text()
    assert 'id="costs"' not in poor


@pytest.mark.parametrize("rate", [0.0, -1.0, math.inf, math.nan])
def test_what_is_no_rate_is_refused_with_what_is_no_price(rate):
    with pytest.raises(ConfigError) as refused:
        Tariff(price=-1, rate=rate)
    assert [problem.partition(":")[0] for problem in refused.value.problems] == ["price", "rate"]
    assert "Give queries a second, e.g. 20." in str(refused.value)


@pytest.mark.parametrize("price", [0.0, -1.0, math.inf, math.nan])
def test_what_is_no_price_is_refused_before_anything_is_written(make_run, tmp_path, price):
    with pytest.raises(ConfigError, match=r"US dollars for 1,000 queries, e.g. 1\.5"):
        write_report([make_run("dfme")], tmp_path / "page.html", price)
    assert not (tmp_path / "page.html").exists()
