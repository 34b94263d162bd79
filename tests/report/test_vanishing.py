"""Curves and sentences of diagnoses, from a record made up."""

from __future__ import annotations

import pytest
from tests.report.made_up import moment, record, seed

from copycost.report.vanishing import cosine_curves, norm_curves
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


def test_the_verdict_over_several_seeds_says_their_range() -> None:
    said = [line.replace("\u00a0", " ") for line in verdict([seed(n) for n in range(3)])]
    assert "medians over n = 3 seeds" in said[0]
    assert "true gradient shrank to 2.0 % (1.0–3.0 %), from 4 to 0.08; the gap" in said[1]
    assert "2.5 (1.67–5) times as long as the true gradient at the end" in said[1]
