"""Every curve on the page has a title and a scale that a reader can do something with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from copycost.report.measured import is_share, meanings, title, written
from copycost.report.page import write_report
from copycost.runner.record import Point, TransferFacts

MakeRun = Callable[..., Path]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("kl", "Divergence from your model's probabilities (KL, nats)"),
        ("not averaged/kl", "Not averaged: divergence from your model's probabilities (KL, nats)"),
        ("commonest class", "Share of inputs given the commonest answer"),
        ("generator/gradient norm", "Generator: gradient norm"),
        ("a_strangers/value_of_its_own", "A strangers: value of its own"),
    ],
)
def test_titles(value: str, said: str) -> None:
    assert title(value) == said


def test_shares_are_percentages_whichever_network_they_are_of() -> None:
    assert is_share("member 2/agreement")
    assert not is_share("student/gap")
    assert written("ensemble/commonest class", 0.25) == "25.0\u00a0%"
    assert written("estimate/norm", 0.25) == "0.25"


def test_only_what_occurs_is_explained() -> None:
    assert list(meanings(["student/gap", "not averaged/accuracy"])) == ["Gap", "Not averaged"]
    assert not meanings(["stranger/thing"])


def test_the_page_draws_shares_as_percentages_and_explains_losses(
    make_run: MakeRun, tmp_path: Path
) -> None:
    curve = [
        Point(
            queries=at,
            seconds=1.0,
            values={
                "agreement": 0.5,
                "accuracy": 0.5,
                "not averaged/agreement": 0.5 + at / 1_000,
                "student/gap": 100.0 / (1 + at),
            },
        )
        for at in (0, 100, 400)
    ]
    page = write_report([make_run(curve=curve)], tmp_path / "report.html").read_text()
    assert "Not averaged: agreement against queries. DFME: from 50.0\u00a0% to 90.0\u00a0%" in page
    assert "<dt>Gap</dt>" in page
    assert ">0.1<" not in page
    assert "e−0" not in page, "an axis over decades has plain numbers"
    assert ">1<" in page


def test_a_run_in_full_says_how_long_it_trained_and_what_it_kept(
    make_run: MakeRun, tmp_path: Path
) -> None:
    kept = TransferFacts(folder="transfer", encoding="bytes", queries=149_990, missing=10)
    run = make_run(updates={"student": 11_724, "generator": 300}, transfer=kept)
    page = write_report([run], tmp_path / "report.html").read_text()
    for said in ("student 11,724, generator 300", "149,990 as bytes, 10 missing"):
        assert said in page
    assert "Training steps" not in write_report([make_run()], tmp_path / "old.html").read_text()


def test_a_run_of_several_processes_says_so(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    path = run / "record.json"
    path.write_text(path.read_text().replace('"ranks": 1', '"ranks": 4'))
    page = write_report([run], tmp_path / "report.html").read_text()
    assert "4 processes, each on cpu, 1 thread" in page


def test_what_each_class_of_attackers_held_is_explained(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("knockoff", knowledge="pool"), make_run("mine", knowledge="a stranger's")]
    page = write_report(runs, tmp_path / "report.html").read_text()
    assert "<dt>Pool</dt>" in page
    assert "<dt>A stranger" not in page
    assert "<dt>Strictly data-free</dt>" not in page
