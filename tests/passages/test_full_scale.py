"""What Frugal's page says of runs at a paper's scale follows from the records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from copycost.runner.record import Point
from copycost.types import Access
from tests.report.conftest import MakeRecord
from tools.passages.full_scale import (
    aims_passage,
    curves_figure,
    estimates_passage,
    runs_passage,
)
from tools.passages.markdown import NOT_RUN

Write = Callable[..., None]


@pytest.fixture
def write(make_record: MakeRecord, tmp_path: Path) -> Write:
    def write(
        attack: str,
        accuracy: float,
        budget: int,
        seed: int = 0,
        sources: tuple[str, ...] = (),
        **changes: Any,
    ) -> None:
        changes.setdefault("updates", {"student": 1_234})
        agreement = accuracy / 0.97  # of the records made up here
        record = make_record(attack, seed, agreement, budget=budget, moments=3, **changes)
        settings = {"sources": list(sources)} if sources else {}
        record = record.model_copy(update={"config": record.config | {"settings": settings}})
        place = tmp_path / "frugal" / "full" / f"{attack}-{budget}-{seed}-{record.access}"
        place.mkdir(parents=True)
        record.write(place)

    return write


def test_every_run_has_a_line_the_best_first(write: Write, tmp_path: Path) -> None:
    write("dfme", 0.40, 2_000_000)
    write("frugal", 0.764, 1_000_000)
    lines = runs_passage(tmp_path).replace("\u00a0", " ").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:4]]
    assert [row[0] for row in cells] == ["Frugal", "DFME"]
    # Of the victim's 95.5 %.
    assert cells[0][4:9] == ["1,000,000", "78.8 %", "76.4 %", "0.800", "1,234"]


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.862, "reached"), (0.861, "missed so far")])
def test_an_aim_is_a_share_of_the_victims_accuracy(
    accuracy: float, verdict: str, write: Write, tmp_path: Path
) -> None:
    write("frugal", accuracy, 2_000_000)
    first, second, *_, label = aims_passage(tmp_path).splitlines()
    assert first.startswith("- 0.902 of the victim's accuracy within 2,000,000 queries")
    assert f"**{verdict}**" in first
    assert "**missed so far**" in second
    assert label.endswith("not run yet.")


def test_what_spent_more_or_was_told_more_does_not_count(write: Write, tmp_path: Path) -> None:
    write("frugal", 0.95, 2_000_001)
    write("dfme", 0.95, 1_000_000)
    write("frugal", 0.95, 1_000_000, access=Access.LABEL)
    first, *_, label = aims_passage(tmp_path).splitlines()
    assert first.endswith("not run yet.")
    assert "**reached**: 0.995 with 1,000,000 queries (1 seed)" in label


def test_images_drawn_by_rules_do_not_reach_an_aim_for_who_holds_nothing(
    write: Write, tmp_path: Path
) -> None:
    write("frugal", 0.95, 1_000_000, sources=("patches",))
    first, *_ = aims_passage(tmp_path).splitlines()
    assert "strictly data-free, not run yet; procedural images, **reached**: 0.995" in first


def test_estimates_are_told_of_runs_that_took_them(
    make_record: MakeRecord, write: Write, tmp_path: Path
) -> None:
    assert estimates_passage(tmp_path) == NOT_RUN
    values = [
        {"accuracy": 0.5, "agreement": 0.5, "estimate/correlation": found}
        for found in (0.5, 0.75, 0.9)
    ]
    curve = [Point(queries=n, seconds=n, values=told) for n, told in enumerate(values)]
    arithmetic = {"training": "float32", "estimate": "bfloat16", "epsilon": "2.8"}
    around = make_record().surroundings.model_copy(update={"arithmetic": arithmetic})
    write("dfme", 0.5, 2_000_000, curve=curve, surroundings=around)
    write("frugal", 0.5, 1_000_000)
    (line,) = estimates_passage(tmp_path).splitlines()
    assert "points in bfloat16, ε = 2.8: 0.75 (0.50–0.90), over 3 moments." in line


def test_the_figure_has_a_line_for_every_run(write: Write, tmp_path: Path) -> None:
    write("frugal", 0.8, 1_000_000)
    write("frugal", 0.7, 1_000_000, seed=1)
    drawn = curves_figure(tmp_path)
    assert drawn is not None
    for seed in (0, 1):
        assert f"Frugal, 1,000,000 queries, seed {seed}" in drawn


def test_the_figure_tells_kinds_of_images_apart(write: Write, tmp_path: Path) -> None:
    write("frugal", 0.8, 1_000_000, sources=("patches",))
    write("frugal", 0.7, 1_000_001, sources=("coordinates", "winners"))
    drawn = curves_figure(tmp_path) or ""
    assert "Frugal (patches), 1,000,000 queries" in drawn
    assert "Frugal (coordinates, winners), 1,000,001 queries" in drawn


def test_agreement_is_drawn_beside_accuracy(write: Write, tmp_path: Path) -> None:
    write("frugal", 0.8, 1_000_000)
    drawn = curves_figure(tmp_path) or ""
    assert ">accuracy</text>" in drawn
    assert ">agreement</text>" in drawn


def test_every_victim_that_was_copied_is_told_of(write: Write, tmp_path: Path) -> None:
    write("frugal", 0.8, 1_000_000)
    write("dfme", 0.4, 2_000_000, victim={"accuracy": 0.914})
    said = runs_passage(tmp_path).replace("\u00a0", " ")
    assert "victim `resnet34-8x` of 91.4 % to 95.5 % accuracy" in said
    assert (curves_figure(tmp_path) or "").count("stroke-dasharray: 2.96,1.28") == 3  # one: legend


def test_without_records_nothing_is_claimed(tmp_path: Path) -> None:
    assert runs_passage(tmp_path) == NOT_RUN
    assert aims_passage(tmp_path).count("not run yet.") == 4
    assert curves_figure(tmp_path) is None
