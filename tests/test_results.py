"""Committed records: readable, finished, and made by a commit of this repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from copycost.report.vanishing import title
from copycost.report.vanishing_seeds import Seeds
from copycost.runner.record import read_record
from tools.passages.vanishing import diagnoses

RESULTS = Path(__file__).parents[1] / "results"
RECORDS = sorted(RESULTS.rglob("record.json"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parts[-3]}/{path.parts[-2]}")
def test_a_committed_record_is_complete(path: Path) -> None:
    record = read_record(path)
    assert record.finished
    assert record.spent <= record.budget
    assert len(record.surroundings.commit) == 40, "made by a clean checkout"
    assert record.curve[-1].queries == record.spent


@pytest.mark.parametrize("records", diagnoses(RESULTS), ids=title)
def test_committed_diagnoses_are_of_several_seeds_and_of_a_clean_checkout(records: Seeds) -> None:
    assert [record.config["seed"] for record in records] == [0, 1, 2]
    assert {len(record.surroundings.commit) for record in records} == {40}


def test_there_are_some() -> None:
    assert RECORDS
    assert diagnoses(RESULTS)


def test_no_curve_begins_with_a_gradient_that_was_never_measured() -> None:
    """Old records have norms of 0 at 0 queries, and figure 4 would be drawn from them."""
    old = [path for path in RECORDS if b'"student/gradient norm": 0.0' in path.read_bytes()]
    assert old
    for path in old:
        first, *later = read_record(path).curve
        assert not [name for name in first.values if name.endswith("/gradient norm")]
        assert first.values["accuracy"]
        assert any("student/gradient norm" in point.values for point in later)
