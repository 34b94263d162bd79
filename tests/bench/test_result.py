"""Numbers over seeds, worked by hand, and what is drawn and written of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from copycost.bench import carry_out, figures, tables
from copycost.bench.adversarial import TransferRate
from copycost.bench.carry_out import Bench
from copycost.bench.page import render, write_bench
from copycost.bench.plan import BenchConfig, Skipped
from copycost.bench.result import (
    AttackResult,
    BenchRecord,
    BenchRun,
    BudgetResult,
    bench_run,
    budget_result,
    queries_to,
    read_bench,
)
from copycost.bench.work import FreshResult
from copycost.errors import RunError
from copycost.flags import Flag
from copycost.report import wording
from copycost.report.levels import Level
from copycost.types import Access
from tests.bench.made_up import made_up
from tools.passages.bench import digits_passage
from tools.passages.markdown import NOT_RUN

SKIPPED = Skipped(attack="knockoff", budget=None, reason="it starts with <a pool>")


def run(seed: int, accuracy: float, fresh: float, budget: int = 100) -> BenchRun:
    values = {"accuracy": accuracy, "agreement": accuracy, "kl": 1.0, "ensemble/accuracy": 0.5}
    return bench_run(
        seed,
        "finished",
        made_up(seed, values),
        TransferRate(
            tried=10, on_victim=0.4, on_student=1.0, by_chance=0.1, asked=20, auditor_spent=50
        ),
        FreshResult(
            budget=budget, steps=7, learnt=95, kept_out=5, last=judged(fresh),
            chosen=judged(fresh + 0.1), chosen_at=5, seconds=1.0,
        ),
        None,
    )  # fmt: skip


def judged(accuracy: float) -> dict[str, float]:
    return {"accuracy": accuracy, "agreement": accuracy, "kl": 0.5, "commonest class": 0.2}


@pytest.fixture
def record(values) -> BenchRecord:
    """DFME at two budgets with three seeds; the victim has an accuracy of 1/2."""
    config = BenchConfig.read(values)
    small = budget_result(100, [run(s, a, 0.1) for s, a in enumerate((0.1, 0.2, 0.4))])
    large = budget_result(200, [run(s, a, 0.3, 200) for s, a in enumerate((0.3, 0.42, 0.48))])
    attack = AttackResult(
        attack="dfme",
        kind="strictly data-free",
        access=Access.PROBABILITIES,
        queries_per_image=7,
        batch_size=16,
        settings={},
        budgets=(small, large),
        queries_to=queries_to([small, large], 0.5),
        collapse_rate=large.collapse_rate,
    )
    made = made_up(0, {})
    return BenchRecord(
        id="0" * 64,
        config=config.model_dump(mode="json"),
        victim=made.victim,
        access=Access.PROBABILITIES,
        attacks=(attack,),
        skipped=(SKIPPED,),
        surroundings=(made.surroundings,),
    )


def test_medians_and_ranges_are_over_the_seeds(record):
    small, large = record.attacks[0].budgets
    accuracy = small.own["accuracy"]
    assert (accuracy.median, accuracy.low, accuracy.high, accuracy.n) == (0.2, 0.1, 0.4, 3)
    assert large.own["accuracy"].median == 0.42
    assert small.own["ensemble/accuracy"].median == 0.5
    assert small.own["transfer rate"].median == 0.4
    assert small.own["student updates"].high == 30
    assert small.fresh["last"]["agreement"].median == 0.1
    assert small.fresh["chosen"]["agreement"].median == pytest.approx(0.2)
    assert "commonest class" not in small.own


def test_queries_to_a_share_are_the_least_budget_whose_median_reaches_it(record):
    # Shares of the victim's 0.5: own 0.4 and 0.84, fresh 0.2 and 0.6.
    assert record.attacks[0].queries_to == {
        "own": {"50%": 200, "80%": 200, "90%": None, "95%": None},
        "fresh": {"50%": 200, "80%": None, "90%": None, "95%": None},
    }


def test_nobody_reaches_a_share_of_a_victim_that_is_always_wrong(record):
    good = budget_result(100, [run(s, 0.99, 0.99) for s in range(3)])
    found = queries_to([*record.attacks[0].budgets, good], 0.0)
    assert set(found["own"].values()) == set(found["fresh"].values()) == {None}


def test_a_share_is_reached_by_accuracy_and_not_by_agreement():
    agreed = made_up(0, {"accuracy": 0.1, "agreement": 0.9})
    one = bench_run(0, "finished", agreed, None, None, None)
    assert set(queries_to([budget_result(100, [one])], 0.5)["own"].values()) == {None}


def test_a_student_that_agrees_with_a_poor_victim_has_still_learnt_nothing():
    agreed = made_up(0, {"accuracy": 0.1, "agreement": 0.9})
    assert bench_run(0, "finished", agreed, None, None, None).collapsed


def test_the_flags_of_a_run_are_kept():
    flags = [Flag(name="student-collapsed", detail="one class")]
    made = made_up(0, {"accuracy": 0.4, "agreement": 0.4}).model_copy(update={"flags": flags})
    assert bench_run(0, "finished", made, None, None, None).flags == tuple(flags)


def test_where_no_example_was_tried_there_is_no_rate():
    none = TransferRate(
        tried=0, on_victim=None, on_student=None, by_chance=None, asked=0, auditor_spent=30
    )
    made = made_up(0, {"accuracy": 0.4, "agreement": 0.4})
    found = bench_run(0, "finished", made, none, None, None).quantities
    assert not {"transfer rate", "transfer rate by chance"} & found.keys()


def test_shares_are_those_of_the_victim_without_its_defences(values, tmp_path, monkeypatch):
    bench, asked = Bench(BenchConfig.read(values), tmp_path), []
    record = made_up(0, {"accuracy": 0.2, "agreement": 0.2})
    record = record.model_copy(
        update={"victim": record.victim.model_copy(update={"defended_accuracy": 0.1})}
    )
    bench.results[0] = replace(bench.results[0], record=record)  # of DFME; noise has none

    def noted(budgets, accuracy):
        asked.append(accuracy)
        return queries_to(budgets, accuracy)

    monkeypatch.setattr(carry_out, "queries_to", noted)
    monkeypatch.setattr(Bench, "_budget", lambda self, name, budget: budget_result(budget, []))
    bench.record()
    assert asked == [0.5, 0.0]


def test_the_collapse_rate_is_the_share_of_seeds_that_have_learnt_nothing(record):
    small, large = record.attacks[0].budgets
    assert small.collapse_rate == pytest.approx(1 / 3)  # ten classes: 0.1 is below 0.15
    assert large.collapse_rate == record.attacks[0].collapse_rate == 0
    assert small.diverged == 0


def test_the_collapse_rate_of_an_attack_is_that_of_its_largest_budget(
    values, tmp_path, monkeypatch
):
    def a_thousandth(self, attack, budget):
        return budget_result(budget, []).model_copy(update={"collapse_rate": budget / 1000})

    monkeypatch.setattr(Bench, "_budget", a_thousandth)
    record = Bench(BenchConfig.read(values), tmp_path).record()
    assert [attack.collapse_rate for attack in record.attacks] == [0.24, 0.24]


def test_a_run_that_is_not_there_counts_for_nothing():
    failed = bench_run(1, "failed", None, None, None, "ValueError: no")
    found = budget_result(100, [run(0, 0.4, 0.3), failed])
    assert (found.own["accuracy"].n, found.collapse_rate) == (1, 0.0)
    assert found.runs[1].error == "ValueError: no"
    nothing = budget_result(100, [failed])
    assert (nothing.own, nothing.collapse_rate) == ({}, None)


@pytest.fixture
def with_lost(record: BenchRecord) -> BenchRecord:
    """At 200 queries two of three seeds diverged; at 100 one could not be done."""
    failed = bench_run(2, "failed", None, None, None, "OSError: the disk is full")
    lost = [bench_run(s, "failed", None, None, None, "NaN", diverged=True) for s in (1, 2)]
    small = budget_result(100, [run(0, 0.3, 0.3), run(1, 0.4, 0.3), failed])
    large = budget_result(200, [run(0, 0.48, 0.46, 200), *lost])
    changes = {
        "budgets": (small, large),
        "queries_to": queries_to([small, large], 0.5),
        "collapse_rate": large.collapse_rate,
    }
    return record.model_copy(
        update={"attacks": (record.attacks[0].model_copy(update=changes),)}
    )  # fmt: skip


def test_a_run_that_diverged_is_collapsed_and_one_that_a_machine_failed_is_not(with_lost):
    small, large = with_lost.attacks[0].budgets
    assert (large.collapse_rate, large.diverged) == (pytest.approx(2 / 3), 2)
    assert (small.collapse_rate, small.diverged) == (0.0, 0)
    assert [run.collapsed for run in large.runs] == [False, True, True]
    assert [run.collapsed for run in small.runs] == [False, False, None]


def test_a_share_is_not_reached_by_the_seeds_that_are_left(with_lost):
    """Of 200 queries one student has 96 % of the victim's accuracy, and two were lost."""
    assert with_lost.attacks[0].queries_to == {
        "own": {"50%": 100, "80%": None, "90%": None, "95%": None},
        "fresh": {"50%": 100, "80%": None, "90%": None, "95%": None},
    }


@pytest.mark.usefixtures("undrawn")
def test_the_tables_say_of_how_many_seeds_a_median_is(with_lost):
    small, large = (
        {name: value.replace(wording.NBSP, " ") for name, value in vars(row).items()}
        for row in tables.rows(with_lost)
    )
    assert small["agreement"] == "35.0 % (30.0–40.0 %; 2 of 3 seeds)"
    assert large["fresh_accuracy"] == "46.0 % (1 of 3 seeds)"
    assert (small["collapsed"], large["collapsed"]) == ("0.0 %", "66.7 % (2 diverged)")
    (terms,) = tables.terms(with_lost)
    assert terms.collapsed.replace(wording.NBSP, " ") == "66.7 % (2 diverged)"
    page = render(with_lost, [])
    assert "DFME, 100 queries, seed 2: OSError: the disk is full" in page
    assert "DFME, 200 queries, seed 1 (diverged): NaN" in page


def test_on_unbalanced_data_one_answer_is_no_copy():
    kinds = {"classes": 2, "commonest_label": 0.9}
    made = made_up(0, {"accuracy": 0.9, "agreement": 0.9})
    unbalanced = made.model_copy(update={"victim": made.victim.model_copy(update=kinds)})
    assert bench_run(0, "finished", unbalanced, None, None, None).collapsed
    balanced = made.model_copy(
        update={"victim": made.victim.model_copy(update=kinds | {"commonest_label": None})}
    )
    assert not bench_run(0, "finished", balanced, None, None, None).collapsed


def test_runs_that_failed_are_not_among_the_finished(record):
    failed = bench_run(1, "failed", None, None, None, "ValueError: no")
    attack = record.attacks[0]
    budgets = (budget_result(100, [run(0, 0.4, 0.3), failed]),)
    changed = record.model_copy(
        update={"attacks": (attack.model_copy(update={"budgets": budgets}),)}
    )
    assert [row.runs for row in tables.rows(changed)] == ["1 of 2"]
    assert not changed.complete
    assert record.complete


@pytest.fixture
def undrawn(monkeypatch) -> None:
    """Drawing takes seconds."""
    monkeypatch.setattr(figures, "drawings", lambda record: [])
    monkeypatch.setattr(figures, "files", lambda record: {"svg": b"<svg/>", "png": b"PNG"})


@pytest.mark.usefixtures("undrawn")
def test_the_file_is_read_as_it_was_written(tmp_path, record):
    page = write_bench(record, tmp_path)
    assert read_bench(tmp_path / "bench.json") == record
    assert record.as_json()["attacks"][0]["class"] == "strictly data-free"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"bench.json", "bench.csv", "bench.svg", "bench.png", page.name}
    (tmp_path / "bench.json").write_text('{"version": 99}')
    with pytest.raises(RunError, match=r"bench\.json is not .*: expected version 1, got 99\.$"):
        read_bench(tmp_path / "bench.json")


def test_the_csv_holds_every_measurement_of_both_tracks(record):
    lines = list(csv.DictReader(io.StringIO(tables.csv_of(record))))
    found = {
        (line["budget"], line["seed"], line["track"], line["name"]): float(line["value"])
        for line in lines
    }
    assert found["100", "1", "own", "accuracy"] == 0.2
    assert found["100", "1", "own", "student updates"] == 20
    assert found["200", "2", "fresh, last", "accuracy"] == 0.3
    assert found["200", "2", "fresh, chosen", "agreement"] == 0.4
    assert {line["class"] for line in lines} == {"strictly data-free"}


def test_a_curve_runs_over_the_budgets_with_the_range_of_the_seeds(record):
    (curve,) = figures.curves(record, "agreement", "own")
    assert curve.queries.tolist() == [100, 200]
    assert curve.middle.tolist() == [0.2, 0.42]
    assert (curve.low.tolist(), curve.high.tolist()) == ([0.1, 0.3], [0.4, 0.48])
    (fresh,) = figures.curves(record, "agreement", "fresh")
    assert fresh.middle.tolist() == [0.1, 0.3]


@pytest.mark.usefixtures("undrawn")
def test_the_page_says_what_was_assumed_left_out_and_doubted(record):
    flagged = record.attacks[0].budgets[0].runs[0].model_copy(
        update={"flags": (Flag(name="student-collapsed", detail="one class"),)}
    )  # fmt: skip
    page = render(with_run(record, flagged), ["bench.json"])
    for words in (
        "strictly data-free", "7 queries an image, batches of 16", "Knockoff",
        "it starts with &lt;a pool&gt;", "DFME, 100 queries, seed 0", "passes 2.0", "steps 2",
        'href="bench.json"', "ensemble",
    ):  # fmt: skip
        assert words in page, words
    assert "<script" not in page
    assert "Unfinished" not in page


def test_a_page_before_anything_is_finished_says_so(values):
    config = BenchConfig.read(values)
    waiting = budget_result(100, [BenchRun(seed=0, state="stopped")])
    attack = AttackResult(
        attack="dfme", kind="strictly data-free", access=Access.LABEL, queries_per_image=7,
        batch_size=16, settings={}, budgets=(waiting,), queries_to=queries_to([waiting], 0.0),
        collapse_rate=None,
    )  # fmt: skip
    record = BenchRecord(
        id="0", config=config.model_dump(mode="json"), victim=None, access=Access.LABEL,
        attacks=(attack,), skipped=(), surroundings=(),
    )  # fmt: skip
    assert "Unfinished" in render(record, [])
    assert figures.files(record) == {}


def with_run(record: BenchRecord, first: BenchRun) -> BenchRecord:
    """The same with another first run."""
    attack = record.attacks[0]
    small, *others = attack.budgets
    changes: dict[str, Any] = {"runs": (first, *small.runs[1:])}
    budgets = (small.model_copy(update=changes), *others)
    return record.model_copy(update={"attacks": (attack.model_copy(update={"budgets": budgets}),)})


def test_the_docs_table_has_a_line_for_each_budget(record, tmp_path):
    assert digits_passage(tmp_path) == NOT_RUN
    folder = tmp_path / "bench" / "digits"
    folder.mkdir(parents=True)
    (folder / "bench.json").write_text(json.dumps(record.as_json()))
    text = digits_passage(tmp_path).replace(wording.NBSP, " ")
    small, large = [line for line in text.splitlines() if line.startswith("| DFME")]
    assert "20.0 % (10.0–40.0 %)" in small
    assert "42.0 %" in large
    assert "over 3 seeds" in text


def test_the_docs_say_whose_queries_are_worth_no_more_than_noises(record, tmp_path):
    (dfme,) = record.attacks
    noise, better = (
        dfme.model_copy(update={"attack": name, "budgets": tuple(better_fresh(dfme, by))})
        for name, by in (("random-noise", 0.0), ("maze", 0.5))
    )
    folder = tmp_path / "bench" / "digits"
    folder.mkdir(parents=True)
    compared = record.model_copy(update={"attacks": (dfme, noise, better)})
    (folder / "bench.json").write_text(json.dumps(compared.as_json()))
    text = digits_passage(tmp_path).replace(wording.NBSP, " ")
    assert "those of MAZE are worth most (60.0 %)." in text
    assert "Worth no more than random noise's (10.0 %): DFME." in text


def better_fresh(attack: AttackResult, by: float) -> Iterator[BudgetResult]:
    """Its budgets, the agreement of fresh students raised."""
    for budget in attack.budgets:
        last = dict(budget.fresh["last"])
        if found := last.get("agreement"):
            higher = {name: getattr(found, name) + by for name in ("low", "median", "high")}
            last["agreement"] = found.model_copy(update=higher)
        yield budget.model_copy(update={"fresh": budget.fresh | {"last": last}})


def test_a_line_of_the_table_says_which_student_each_number_is_of(record):
    small, _ = tables.rows(record)
    told = {name: value.replace(wording.NBSP, " ") for name, value in vars(small).items()}
    assert told["runs"] == "3 of 3"
    starts = {
        "agreement": "20.0 % (10.0",
        "fresh_agreement": "10.0 % (",
        "fresh_accuracy": "10.0 % (",
        "chosen_agreement": "20.0 % (20.0",
        "transfer_rate": "40.0 % (",
        "by_chance": "10.0 % (",
        "collapsed": "33.3 %",
    }
    assert {name: told[name][: len(start)] for name, start in starts.items()} == starts


def test_every_number_of_a_line_stands_under_its_own_name(record):
    """No two of the numbers are alike."""
    values = {
        "agreement": 0.41, "accuracy": 0.42, "kl": 1.43, "vote/agreement": 0.51,
        "vote/accuracy": 0.52,
    }  # fmt: skip
    fresh = FreshResult(
        budget=100, steps=7, learnt=95, kept_out=5, chosen_at=5, seconds=1.0,
        last={"agreement": 0.61, "accuracy": 0.62}, chosen={"agreement": 0.63, "accuracy": 0.64},
    )  # fmt: skip
    rate = TransferRate(
        tried=9, on_victim=0.71, on_student=0.72, by_chance=0.73, asked=18, auditor_spent=50
    )
    one = bench_run(0, "finished", made_up(0, values), rate, fresh, None)
    alone = record.attacks[0].model_copy(update={"budgets": (budget_result(100, [one]),)})
    changed = record.model_copy(update={"attacks": (alone,)})
    (row,), (vote,) = tables.rows(changed), tables.beside(changed)
    told = {name: value.replace(wording.NBSP, " ") for name, value in vars(row).items()}
    assert told == {
        "attack": "DFME", "budget": "100", "spent": "98", "runs": "1 of 1",
        "agreement": "41.0 %", "accuracy": "42.0 %", "kl": "1.43", "transfer_rate": "71.0 %",
        "by_chance": "73.0 %", "updates": "10", "seconds": "9.0 s", "collapsed": "0.0 %",
        "fresh_agreement": "61.0 %", "fresh_accuracy": "62.0 %", "chosen_agreement": "63.0 %",
    }  # fmt: skip
    assert (vote.name, vote.agreement, vote.accuracy) == (
        "vote", f"51.0{wording.NBSP}%", f"52.0{wording.NBSP}%",
    )  # fmt: skip


def test_counts_of_a_line_are_medians(record):
    assert [row.updates for row in tables.rows(record)] == ["20", "20"]  # of 10, 20 and 30


def test_a_run_that_diverged_in_an_earlier_session_is_told_without_an_error(record):
    lost = bench_run(0, "planned", None, None, None, None, diverged=True)
    assert tables.missing(with_run(record, lost)) == [
        "DFME, 100 queries, seed 0 (diverged): planned"
    ]


def test_curves_say_of_how_many_runs_they_are_and_which_is_the_noise(with_lost):
    (curve,) = figures.curves(with_lost, "agreement", "own")
    assert (curve.runs, curve.noise) == (1, False)  # of two runs at 100 queries, of one at 200
    named = with_lost.attacks[0].model_copy(update={"attack": "random-noise"})
    noise = with_lost.model_copy(update={"attacks": (named,)})
    assert figures.curves(noise, "agreement", "own")[0].noise


@pytest.mark.parametrize(("quality", "level"), [("accuracy", 0.5), ("agreement", 0.1)])
def test_a_copy_is_held_against_the_victim_without_defences_or_against_chance(
    record, quality, level
):
    victim = record.victim.model_copy(update={"defended_accuracy": 0.3})
    (line,) = figures._levels(record.model_copy(update={"victim": victim}), quality)
    assert line.value == level


def test_where_one_class_is_common_agreement_is_held_against_always_giving_it(record):
    victim = record.victim.model_copy(update={"classes": 2, "commonest_label": 0.9})
    (line,) = figures._levels(record.model_copy(update={"victim": victim}), "agreement")
    assert (line.value, line.label) == (0.9, "always the commonest class")


def test_each_name_in_the_legend_has_the_line_that_was_drawn_of_it(record, monkeypatch):
    levels = [Level(0.5, "one"), Level(0.25, "other")]
    monkeypatch.setattr(figures, "_levels", lambda *_: levels)
    (curve,) = figures.curves(record, "agreement", "own")
    handles = figures._panel(Figure().add_subplot(), record, "agreement", "own")
    drawn = {label: np.asarray(line.get_ydata()).tolist() for label, line in handles.items()}
    assert drawn == {curve.label: list(curve.middle), "one": [0.5, 0.5], "other": [0.25, 0.25]}


@pytest.mark.parametrize("missing", ["fresh", "transfer"])
def test_a_run_that_is_not_measured_leaves_the_bench_unfinished(record, missing):
    first = record.attacks[0].budgets[0].runs[0].model_copy(update={missing: None})
    assert record.complete
    assert not with_run(record, first).complete


def test_what_a_fresh_student_learnt_counts_where_the_run_is_not_finished():
    fresh = run(0, 0.4, 0.3).fresh
    assert bench_run(0, "stopped", None, None, fresh, None).fresh == fresh


def test_what_was_spent_is_the_attackers_and_not_its_budget():
    made = made_up(0, {"accuracy": 0.4, "agreement": 0.4})
    one = bench_run(0, "finished", made, None, None, None)
    assert one.attacker == made.accounts["attacker"]
    assert budget_result(100, [one]).own["spent"].median == 98
