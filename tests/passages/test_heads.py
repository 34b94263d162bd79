"""The times that heads of studies quote, from no records, some, and all."""

from __future__ import annotations

from pathlib import Path

from copycost.presets.kwon2023 import STUDIES
from tests.passages.test_reproduced import commit_study
from tools.passages.heads import UNMEASURED, times


def test_times_are_sums_over_the_runs_that_have_a_record(tmp_path: Path) -> None:
    commit_study(tmp_path, "figure-8", "quick")
    commit_study(tmp_path, "figure-2", "full", seeds=1)
    found = times(tmp_path)
    assert len(found) == len(STUDIES)
    assert found["figure8.py"] == (
        "quick: 6 runs, 15 minutes in all; full: 1 of 6 runs, 2 minutes in all"
    )
    assert found["figure9.py"] == f"quick: {UNMEASURED}; full: {UNMEASURED}"
