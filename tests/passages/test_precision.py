"""The passages and figures of docs/precision.md, from records made up and committed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from copycost.flags import Flag
from copycost.presets.precision import MEANINGS
from copycost.runner.record import Record
from copycost.studies.precision_record import Cell, PairFacts, PrecisionRecord
from tests.report.made_up import AROUND
from tools.passages import precision
from tools.passages.generated import FIGURES, PASSAGES, draw_figures
from tools.passages.markdown import NOT_RUN

ROOT = Path(__file__).parents[2]


def facts(pair: str, dimensions: int, seed: int) -> PairFacts:
    return PairFacts(
        pair=pair, seed=seed, dataset="made up", dimensions=dimensions, student="lenet",
        stand_in="lenet", student_accuracy=0.9, stand_in_accuracy=0.99, gap=1.0,
        gradient_norm=1.0, exact_cosines={1: 0.1, 4: 0.2},
    )  # fmt: skip


def cell(pair: str, seed: int, arithmetic: str, epsilon: float, form: str) -> Cell:
    correlation = 0.5 + 0.1 * seed if arithmetic == "float32" else -0.25
    return Cell(
        pair=pair, seed=seed, arithmetic=arithmetic, epsilon=epsilon, form=form,
        correlation=correlation, cosines={1: 0.05, 4: 0.02},
    )  # fmt: skip


def record() -> PrecisionRecord:
    pairs = [facts("digits", 64, seed) for seed in range(3)] + [facts("house-numbers", 3072, 0)]
    cells = [
        cell(p.pair, p.seed, arithmetic, epsilon, form)
        for p in pairs
        for arithmetic in ("float32", "tf32 (emulated)", "bfloat16")
        for epsilon in (1e-3, 1.0)
        for form in ("forward", "central")
    ]
    return PrecisionRecord(
        nets="small", points=8, pairs=pairs, cells=cells, surroundings=AROUND, seconds=1.0,
        started="2026-01-02T03:04:05+00:00",
    )  # fmt: skip


@pytest.fixture
def results(tmp_path: Path, make_record: Callable[..., Record]) -> Path:
    folder = tmp_path / "results"
    record().write_to(folder / "precision" / "small.json")
    for number, arm in enumerate(MEANINGS):
        for seed in range(3):
            agreement = 0.9 - 0.1 * number + 0.01 * seed
            run = make_record("dfme", seed, agreement)
            last = run.curve[-1]
            values = {**last.values, "agreement": agreement, "estimate/correlation": 0.25}
            values |= {"generator/spread": 0.27 + 0.01 * seed, "student/gap": 0.5 + 0.01 * number}
            flags = [Flag("estimate-drowned", "made up")] if seed else []
            curve = [last.model_copy(update={"values": values})]
            changed = run.model_copy(update={"curve": curve, "flags": flags})
            changed.write(folder / "precision" / "digits-cnn" / f"{arm}-seed{seed}")
    return folder


@pytest.mark.parametrize("name", [name for name in PASSAGES if name.startswith("precision-")])
def test_without_records_a_passage_says_so(name: str, tmp_path: Path) -> None:
    text = PASSAGES[name](tmp_path)
    assert NOT_RUN in text or "not measured yet" in text


def test_correlations_are_medians_over_seeds(results: Path) -> None:
    text = precision.correlation_passage(results)
    digits, house = text.split("**house-numbers**")
    # Seeds 0.5, 0.6, 0.7 on digits, one seed of 0.5 on house numbers.
    assert "| 0.001 | 0.0001 | 0.60 | 0.60 | −0.25 | −0.25 | −0.25 | −0.25 |" in digits
    assert "| 1 | 0.02 | 0.50 | 0.50 | −0.25 |" in house
    assert "3 seeds, medians" in digits
    assert "commit `0123abc`" in text


def test_the_short_table_is_that_of_3072_values(results: Path) -> None:
    text = precision.short_passage(results)
    assert "| ε | ε/√d | float32 | tf32 (emulated) | bfloat16 |" in text
    assert "| 1 | 0.02 | 0.50 | −0.25 | −0.25 |" in text


def test_cosines_are_shares_of_what_exact_slopes_give(results: Path) -> None:
    text = precision.cosine_passage(results)
    # 0.05 of 0.1 with one direction, 0.02 of 0.2 with four.
    assert "| forward | 0.001 | 0.50 | 0.10 |" in text


def test_students_are_told_by_arm(results: Path) -> None:
    text = precision.students_passage(results)
    assert "| `float32` | float32, ε = 1e-3: the faithful setting | 0.910 (0.900–0.920) |" in text
    assert text.count("2 of 3") == len(MEANINGS)
    assert "3 seeds at 150,000 queries" in text
    assert "| 0.25 | 0.51 | 2 of 3 |" in text, "correlation, loss, flags of the second arm"
    assert "ends between 0.270 and 0.290 in all of these runs" in text


def test_each_victim_has_a_table_and_verdicts_of_its_own(results: Path) -> None:
    folder = results / "precision"
    for arm in ("float32", "frozen"):
        for seed in range(3):
            shutil.copytree(
                folder / "digits-cnn" / f"{arm}-seed{seed}",
                folder / "house-numbers-16" / f"{arm}-seed{seed}",
            )
    assert precision.students_passage(results).count("| `frozen` |") == 2
    digits, house = precision.verdict_passage(results).split("On `house-numbers-16`:")
    assert digits.startswith("On `digits-cnn`:")
    assert digits.count("- `") == 12
    assert "Over the 12 arms, the rank correlation" in digits
    assert "of the student's loss with agreement is −1.00." in digits
    # Nine arms lie between them, ten points each.
    assert house.strip() == (
        "- `frozen` against `float32`: lower: -90.0 points of median agreement; the "
        "ranges do not overlap."
    )


def test_runs_of_a_sweep_are_told_apart_by_what_moved_their_generators(
    tmp_path: Path, make_record: Callable[..., Record]
) -> None:
    """Another attack's and other budgets' belong to other pages."""
    plain = {"estimator": "forward", "generator_lr": 1e-4}
    runs = [
        ("frugal", "dfme", 480_000, plain, "float32", "float32"),
        ("frugal", "dfme", 120_000, plain, "float32", None),
        ("frugal", "frugal", 480_000, {}, "float32", None),
        ("precision", "dfme", 480_000, plain | {"estimator": "random"}, "float32", "random"),
        ("precision", "dfme", 480_000, plain | {"generator_lr": 1e-12}, "float32", "frozen"),
        ("precision", "dfme", 480_000, plain, "bfloat16", "bfloat16"),
    ]
    for number, (place, attack, budget, settings, precise, _) in enumerate(runs):
        config = {"settings": settings, "precision": precise}
        run = make_record(attack, number, budget=budget, config=config)
        run.write(tmp_path / place / "cifar10" / str(number))
    ((victim, found),) = precision.swept(tmp_path).items()
    assert victim == "cifar10-resnet34"
    wanted = {arm: [number] for number, (*_, arm) in enumerate(runs) if arm}
    assert {arm: [r.seed for r in records] for arm, records in found.items()} == wanted
    assert list(found) == [arm for arm in MEANINGS if arm in wanted], "in the order of the table"


def test_ranks_of_equal_values_are_shared() -> None:
    assert precision._ranks([0.5, 0.1, 0.5, 0.9]) == [1.5, 0.0, 1.5, 3.0]


def test_an_earlier_recording_stands_by_itself(results: Path) -> None:
    for arm in ("float32-seed0", "float32-seed1"):
        earlier = results / "precision" / "earlier-runs" / arm
        shutil.copytree(results / "precision" / "digits-cnn" / arm, earlier)
    text = precision.earlier_passage(results)
    assert "| `float32` | float32, ε = 1e-3: the faithful setting | 0.905 (0.900–0.910) |" in text
    assert "2 seeds at 150,000 queries" in text
    assert "`random`" not in text


def test_the_verdict_follows_from_the_numbers(results: Path) -> None:
    text = precision.verdict_passage(results)
    assert (
        "`tf32-unsafe` against `float32`: lower: -10.0 points of median agreement; the "
        "ranges do not overlap." in text
    )
    assert precision._compared([0.5, 0.6, 0.7], [0.55, 0.58, 0.6]).startswith("alike: +2.0")
    assert "ranges overlap" in precision._compared([0.5, 0.6, 0.7], [0.55, 0.58, 0.6])


def test_figures_are_drawn_the_same_every_time(results: Path) -> None:
    draw_figures(results.parent)
    for name in (name for name in FIGURES if name.startswith("precision-")):
        drawn = (results.parent / "docs" / "figures" / f"{name}.svg").read_text("utf-8")
        assert FIGURES[name](results) == drawn
        assert drawn.startswith("<?xml")
        assert "var(--" not in drawn
        assert "mathdefault" not in drawn
        assert "#010203" not in drawn
        assert "made on" not in drawn.lower()


def test_nothing_is_drawn_without_records(tmp_path: Path) -> None:
    draw_figures(tmp_path)
    assert not (tmp_path / "docs").exists()


@pytest.mark.parametrize("name", list(FIGURES))
def test_committed_figures_are_those_of_the_records(name: str) -> None:
    path = ROOT / "docs" / "figures" / f"{name}.svg"
    committed = path.read_text("utf-8") if path.exists() else None
    assert FIGURES[name](ROOT / "results") == committed, "python -m tools.passages"
