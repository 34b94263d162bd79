"""What `docs/bench.md` says of fresh students follows from medians and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from copycost.bench.result import AttackResult, BenchRecord, BudgetResult, Interval
from copycost.report.wording import NBSP
from copycost.types import Access
from tools.passages.bench import digits_passage
from tools.passages.markdown import NOT_RUN

Agreements = tuple[float, float, float]
"""Median, lowest and highest over seeds."""


def attack(name: str, agreement: Agreements) -> AttackResult:
    median, low, high = agreement
    taught = {"agreement": Interval(median=median, low=low, high=high, n=3)}
    budget = BudgetResult(
        budget=500, own={}, collapse_rate=0.0, fresh={"last": taught, "chosen": {}}, runs=()
    )
    return AttackResult(
        attack=name, kind="pool", access=Access.PROBABILITIES, queries_per_image=1, batch_size=8,
        settings={}, budgets=(budget,), queries_to={"own": {}, "fresh": {}}, collapse_rate=0.0,
    )  # fmt: skip


def said(folder: Path, found: Mapping[str, Agreements]) -> str:
    """The line on the only budget, of a record in which fresh students agree as `found` says."""
    record = BenchRecord(
        id="a bench", config={"pgd": {}, "fresh": {}}, victim=None, access=Access.PROBABILITIES,
        attacks=tuple(attack(name, agreement) for name, agreement in found.items()), skipped=(),
        surroundings=(),
    )  # fmt: skip
    (folder / "bench" / "digits").mkdir(parents=True)
    (folder / "bench" / "digits" / "bench.json").write_text(record.model_dump_json(by_alias=True))
    (line,) = [x for x in digits_passage(folder).splitlines() if x.startswith("- At 500")]
    return line.replace(NBSP, " ")


def test_without_a_record_nothing_is_said(tmp_path: Path) -> None:
    assert digits_passage(tmp_path) == NOT_RUN


def test_where_ranges_are_apart_the_medians_speak_alone(tmp_path: Path) -> None:
    found = {
        "jbda": (0.8, 0.7, 0.9), "knockoff": (0.2, 0.1, 0.3), "random-noise": (0.5, 0.4, 0.6),
        "in-distribution": (0.9, 0.8, 1.0),
    }  # fmt: skip
    assert said(tmp_path, found) == (
        "- At 500 queries, those of JBDA are worth most (80.0 %). "
        "Worth no more than random noise's (50.0 %): Knockoff."
    )


def test_where_ranges_overlap_a_median_may_be_ahead_by_chance(tmp_path: Path) -> None:
    found = {
        "jbda": (0.55, 0.45, 0.7), "knockoff": (0.52, 0.5, 0.53), "dfme": (0.4, 0.3, 0.44),
        "random-noise": (0.5, 0.4, 0.6),
    }  # fmt: skip
    assert said(tmp_path, found) == (
        "- At 500 queries, those of JBDA are worth most (55.0 %); its range over seeds overlaps "
        "with that of Knockoff. Worth no more than random noise's (50.0 %): DFME; worth more, but "
        "perhaps by chance, as ranges overlap: JBDA and Knockoff."
    )
