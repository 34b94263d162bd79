"""Rows, curves and passages of diagnoses, from a record made up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.report.test_precision import AROUND

from copycost.report import vanishing
from copycost.report.generated import PASSAGES
from copycost.report.markdown import NOT_RUN
from copycost.report.vanishing import cosine_curves, norm_curves
from copycost.report.vanishing_figure import figure_of_results, vanishing_figure
from copycost.report.vanishing_seeds import diagnoses
from copycost.report.vanishing_verdict import verdict
from copycost.studies.vanishing_record import (
    Cell,
    DiagnosedVictim,
    Grid,
    Moment,
    Quartiles,
    VanishingRecord,
)

GRID = Grid(moments=3, images=8, directions=(1, 10), epsilons=(1e-3, 1.0))
STEPS = {"float32": (1e-3, 1.0), "bfloat16": (1e-3, 0.4, 1.0)}
DEFAULT = {"float32": 1e-3, "bfloat16": 0.4}


def around(middle: float) -> Quartiles:
    return Quartiles(low=0.9 * middle, middle=middle, high=1.2 * middle)


def cell(arithmetic: str, epsilon: float, at: int) -> Cell:
    drowned = arithmetic == "bfloat16" and epsilon == 1e-3
    return Cell(
        arithmetic=arithmetic, epsilon=epsilon, default=epsilon == DEFAULT[arithmetic], images=8,
        correlation=-0.25 if drowned else 0.99 - 0.03 * at, still=0.5 if drowned else 0.0,
        cosines={1: -0.01, 10: 0.02} if drowned else {1: 0.1, 10: 0.4 - 0.01 * at},
    )  # fmt: skip


def moment(at: int) -> Moment:
    return Moment(
        queries=50_000 * at, accuracy=0.3 * at, gap=2.0 - 0.9 * at, true=around(4.0 / 10**at),
        through_victim=around(3.0), unfloored=around(4.0), estimate=around(20.0 / 10**at),
        flat=0.0, floored=0.1 * at, blind=0.25 * at, generator=20.0 / 10 ** (at / 2),
        generator_true=1.0 - 0.25 * at, generator_cosine=0.5 - 0.2 * at,
        student=0.5, exact_cosines={1: 0.1, 10: 0.4},
        cells=[cell(name, step, at) for name, steps in STEPS.items() for step in steps],
    )  # fmt: skip


def record(ended: str = "finished", seed: int = 0) -> VanishingRecord:
    victim = DiagnosedVictim(
        name="a victim", architecture="lenet", dataset="made-up digits", classes=10,
        dimensions=64, content_hash="5e", accuracy=0.99,
    )  # fmt: skip
    return VanishingRecord(
        id="made up", config={"student": "gap-cnn", "seed": seed}, grid=GRID, victim=victim,
        moments=[moment(at) for at in range(3)], budget=100_000, spent=100_000, student_hash="",
        surroundings=AROUND, seconds=2.0, measuring=1.0, started="2026-01-02T03:04:05+00:00",
        ended=ended,
    )  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Path:
    record().write(tmp_path / "kwon2023" / "quick" / "diagnoses" / "digits")
    record("time limit").write(tmp_path / "kwon2023" / "quick" / "diagnoses" / "stopped")
    return tmp_path


@pytest.mark.parametrize("name", [name for name in PASSAGES if name.startswith("vanishing-")])
def test_without_records_a_passage_says_so(name: str, tmp_path: Path) -> None:
    assert PASSAGES[name](tmp_path) == NOT_RUN
    assert figure_of_results(tmp_path) is None


def test_a_stopped_diagnosis_is_left_out(results: Path) -> None:
    assert list(map(len, diagnoses(results))) == [1]


def test_norms_are_medians_and_quartiles_at_three_moments(results: Path) -> None:
    text = vanishing.norms_passage(results)
    assert "|  | 0 queries | 50,000 queries | 100,000 queries |" in text
    assert "| true gradient | 4 (3.6–4.8) | 0.4 (0.36–0.48) | 0.04 (0.036–0.048) |" in text
    assert "| gap | 2 | 1.1 | 0.2 |" in text
    assert re.search(r"images with one class above the floor \| 0.0.% \| 25.0.% \| 50.0.%", text)
    assert "**a victim, made-up digits, n = 1 seed**; `gap-cnn` as the student" in text
    assert "medians and quartiles over 8 images, of one seed (n = 1):" in text
    assert "commit `0123abc`" in text


def test_cosines_are_told_beside_what_exact_slopes_give(results: Path) -> None:
    text = vanishing.cosines_passage(results)
    assert "| arithmetic | ε | m = 1 | m = 10 | correlation | unchanged |" in text
    assert "| exact slopes |  | 0.10 / 0.10 / 0.10 | 0.40 / 0.40 / 0.40 |  |  |" in text
    assert (
        "| bfloat16 | 0.001 | −0.01 / −0.01 / −0.01 | 0.02 / 0.02 / 0.02 | "
        "−0.25 / −0.25 / −0.25 | 0.50 / 0.50 / 0.50 |" in text
    )
    assert "| bfloat16 | 0.4 (default) | 0.10 / 0.10 / 0.10 | 0.40 / 0.39 / 0.38 |" in text


def test_the_verdict_follows_from_the_numbers() -> None:
    said = [line.replace("\u00a0", " ") for line in verdict([record()])]
    seeds, norms, weights, floor, float32, bfloat16 = said
    assert "one seed (n = 1)" in seeds
    assert "true gradient shrank to 1.0 %, from 4 to 0.04" in norms
    times = "5 times as long as the true gradient"
    assert f"The attack's estimate was {times} at the start and {times} at the end." in norms
    assert "0.0 % lay below the floor at the start and 20.0 % at the end" in floor
    assert "would be 4 in place of 0.04" in floor
    assert "by the attack's estimate shrank to 10.0 %, from 20 to 2; by the true" in weights
    assert "by less than a factor of 2, to 50.0 %, from 1 to 0.5." in weights
    assert "lay from 0.10 to 0.50" in weights
    assert "at ε = 0.001 and 1. Its least correlation is 0.93 at ε = 0.001" in float32
    assert "at ε = 0.4 and 1. Its least correlation is −0.25 at ε = 0.001" in bfloat16


def test_growth_and_blindness_are_told_too() -> None:
    growing = record().model_copy(update={"moments": [moment(2), moment(0)]})
    assert "true gradient grew 100-fold, from 0.04 to 4" in verdict([growing])[1]
    zero = Quartiles(low=0.0, middle=0.0, high=0.0)
    gone = [moment(0), moment(2).model_copy(update={"true": zero})]
    for moments, said in ((gone, "beside a true gradient of 0 at the end"), (gone[::-1], "was 0")):
        assert said in verdict([record().model_copy(update={"moments": moments})])[1]
    blind = [
        cell.model_copy(update={"correlation": 0.5 + 0.1 * cell.epsilon})
        for cell in moment(0).cells
    ]
    drowned = record().model_copy(
        update={"moments": [moment(0).model_copy(update={"cells": blind})]}
    )
    assert "at none of its steps" in verdict([drowned])[-1]
    assert "0.60 at its best step, 1." in verdict([drowned])[-1]


def test_curves_are_those_of_the_record() -> None:
    true, *_, student = norm_curves([record()])
    assert list(true.queries) == [0, 50_000, 100_000]
    assert list(true.middle) == pytest.approx([4, 0.4, 0.04])
    assert list(true.high) == pytest.approx([4.8, 0.48, 0.048])
    assert list(student.low) == list(student.high) == [0.5] * 3
    cosines = {curve.label: list(curve.middle) for curve in cosine_curves([record()])}
    assert cosines == {
        "float32, ε = 0.001, m = 1": [0.1] * 3,
        "float32, ε = 0.001, m = 10": pytest.approx([0.4, 0.39, 0.38]),
        "bfloat16, ε = 0.001, m = 10": [0.02] * 3,
        "bfloat16, ε = 0.4, m = 10": pytest.approx([0.4, 0.39, 0.38]),
    }


def test_the_figure_is_drawn_the_same_every_time(results: Path) -> None:
    drawn = figure_of_results(results)
    assert drawn is not None
    assert drawn == vanishing_figure([[record()]])
    assert "bfloat16, ε = 0.4, m = 10" in drawn
    assert "#010203" not in drawn
    assert "mathdefault" not in drawn


def seed(number: int) -> VanishingRecord:
    """A seed whose gradients are so many times longer at the end, and cosines smaller."""
    one = record(seed=number)
    first, middle, last = one.moments
    cells = [
        c.model_copy(update={"cosines": {m: x / (1 + number) for m, x in c.cosines.items()}})
        for c in last.cells
    ]
    longer = {"true": around(0.04 * (1 + number)), "gap": 0.2 * (1 + number), "cells": cells}
    last = last.model_copy(update=longer)
    return one.model_copy(update={"moments": [first, middle, last]})


def test_over_several_seeds_brackets_hold_the_lowest_and_the_highest_seed(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        seed(number).write(tmp_path / "kwon2023" / "quick" / "diagnoses" / str(number))
    (found,) = diagnoses(tmp_path)
    assert [one.config["seed"] for one in found] == [0, 1, 2]
    text = vanishing.norms_passage(tmp_path).replace("\u00a0", " ")
    assert "**a victim, made-up digits, n = 3 seeds**" in text
    assert "medians over n = 3 seeds, with the lowest and the highest in brackets" in text
    assert "| true gradient | 4 | 0.4 | 0.08 (0.04–0.12) |" in text
    assert "| gap | 2 | 1.1 | 0.4 (0.2–0.6) |" in text
    cosines = vanishing.cosines_passage(tmp_path)
    assert "| float32 | 0.001 (default) | 0.10 / 0.10 / 0.05 (0.07) |" in cosines
    curve = norm_curves(found)[0]
    assert (curve.runs, curve.low[-1], curve.high[-1]) == (3, 0.04, pytest.approx(0.12))


def test_the_verdict_over_several_seeds_says_their_range() -> None:
    said = [line.replace("\u00a0", " ") for line in verdict([seed(n) for n in range(3)])]
    assert "medians over n = 3 seeds" in said[0]
    assert "true gradient shrank to 2.0 % (1.0–3.0 %), from 4 to 0.08; the gap" in said[1]
    assert "2.5 (1.67–5) times as long as the true gradient at the end" in said[1]


def test_seeds_of_another_victim_are_a_diagnosis_of_their_own(results: Path) -> None:
    other = record(seed=1)
    victim = other.victim.model_copy(update={"content_hash": "6f"})
    other.model_copy(update={"victim": victim}).write(
        results / "kwon2023" / "quick" / "diagnoses" / "other"
    )
    assert list(map(len, diagnoses(results))) == [1, 1]
