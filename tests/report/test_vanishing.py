"""Curves and sentences of diagnoses, from a record made up."""

from __future__ import annotations

import pytest
from tests.report.made_up import moment, record, seed

from copycost.report.vanishing import cosine_curves, norm_curves, norm_rows
from copycost.report.vanishing_verdict import verdict
from copycost.studies.vanishing_record import Quartiles


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
    assert "by the true gradient it shrank to 50.0 %, from 1 to 0.5." in weights
    assert "lay from 0.10 to 0.50" in weights
    assert "at ε = 0.001 and 1. Its least correlation is 0.93 at ε = 0.001" in float32
    assert "at ε = 0.4 and 1. Its least correlation is −0.25 at ε = 0.001" in bfloat16


def test_growth_and_blindness_are_told_too() -> None:
    growing = record().model_copy(update={"moments": [moment(2), moment(0)]})
    assert "true gradient grew 100-fold, from 0.04 to 4" in verdict([growing])[1]
    assert "by the true gradient it grew 2-fold, from 0.5 to 1." in verdict([growing])[2]
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


@pytest.mark.parametrize(
    ("correlation", "said"), [(0.9, "at ε = 0.001, 0.4 and 1"), (0.89, "at none of its steps")]
)
def test_a_step_is_resolved_from_nine_tenths_on(correlation: float, said: str) -> None:
    """At every moment: here the second is the worse one."""
    cells = [c.model_copy(update={"correlation": correlation}) for c in moment(1).cells]
    clear = [c.model_copy(update={"correlation": 1.0}) for c in moment(0).cells]
    moments = [
        moment(at).model_copy(update={"cells": found}) for at, found in enumerate((clear, cells))
    ]
    bfloat16 = verdict([record().model_copy(update={"moments": moments})])[-1]
    assert f"moment) {said}." in bfloat16


def test_one_seed_without_a_gradient_is_enough_for_there_to_be_no_factor() -> None:
    zero = Quartiles(low=0.0, middle=0.0, high=0.0)
    one, other = record(), record(seed=1)
    moments = [moment.model_copy(update={"true": zero}) for moment in other.moments]
    norms = verdict([one, other.model_copy(update={"moments": moments})])[1]
    assert "The median norm of the true gradient was 0 at the start, from 2 to 0.02" in norms
    assert norms.count("long beside a true gradient of 0") == 2


def test_each_row_of_norms_is_of_its_own_quantity() -> None:
    first = moment(0).model_copy(update={"flat": 0.125, "floored": 0.25, "blind": 0.5})
    one = record().model_copy(update={"moments": [first, moment(1), moment(2)]})
    rows = {name: start.replace("\u00a0", " ") for name, start, *_ in norm_rows([one]).rows}
    assert rows == {
        "true gradient": "4 (3.6–4.8)",
        "through the victim alone": "3 (2.7–3.6)",
        "true gradient without the floor": "4 (3.6–4.8)",
        "the attack's estimate": "20 (18–24)",
        "generator's weights, by the estimate": "20",
        "generator's weights, by the true gradient": "1",
        "cosine between these two": "0.5",
        "student's weights": "0.5",
        "gap": "2",
        "images with a true gradient of 0": "12.5 %",
        "probabilities below the floor": "25.0 %",
        "images with one class above the floor": "50.0 %",
        "student's accuracy": "0.0 %",
    }


def test_curves_are_those_of_the_record() -> None:
    true, *_, student = norm_curves([record()])
    assert list(true.queries) == [0, 50_000, 100_000]
    assert list(true.middle) == pytest.approx([4, 0.4, 0.04])
    assert list(true.high) == pytest.approx([4.8, 0.48, 0.048])
    assert list(true.low) == pytest.approx([3.6, 0.36, 0.036])
    assert list(student.low) == list(student.high) == [0.5] * 3
    cosines = {curve.label: list(curve.middle) for curve in cosine_curves([record()])}
    assert cosines == {
        "float32, ε = 0.001, m = 1": [0.1] * 3,
        "float32, ε = 0.001, m = 10": pytest.approx([0.4, 0.39, 0.38]),
        "bfloat16, ε = 0.001, m = 10": [0.02] * 3,
        "bfloat16, ε = 0.4, m = 10": pytest.approx([0.4, 0.39, 0.38]),
    }


def test_the_verdict_over_several_seeds_says_their_range() -> None:
    seeds = [seed(n) for n in range(3)]
    said = [line.replace("\u00a0", " ") for line in verdict(seeds)]
    assert "medians over n = 3 seeds" in said[0]
    assert "true gradient shrank to 2.0 % (1.0–3.0 %), from 4 to 0.08; the gap" in said[1]
    assert "2.5 (1.67–5) times as long as the true gradient at the end" in said[1]
    true = norm_curves(seeds)[0]
    assert (true.low[-1], true.middle[-1]) == (0.04, 0.08)
    assert true.high[-1] == pytest.approx(0.12), "of medians, and not of quartiles"
