"""The passages and the figure of docs/vanishing-gradients.md, from a record made up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from copycost.report.vanishing import norm_curves
from tests.report.made_up import record, seed
from tools.passages import vanishing
from tools.passages.generated import PASSAGES
from tools.passages.markdown import NOT_RUN
from tools.passages.vanishing import diagnoses
from tools.passages.vanishing_figure import figure_of_results, vanishing_figure


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


def test_the_figure_is_drawn_the_same_every_time(results: Path) -> None:
    drawn = figure_of_results(results)
    assert drawn is not None
    assert drawn == vanishing_figure([[record()]])
    assert "bfloat16, ε = 0.4, m = 10" in drawn
    assert "#010203" not in drawn
    assert "mathdefault" not in drawn


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


def test_seeds_of_another_victim_are_a_diagnosis_of_their_own(results: Path) -> None:
    other = record(seed=1)
    victim = other.victim.model_copy(update={"content_hash": "6f"})
    other.model_copy(update={"victim": victim}).write(
        results / "kwon2023" / "quick" / "diagnoses" / "other"
    )
    assert list(map(len, diagnoses(results))) == [1, 1]
