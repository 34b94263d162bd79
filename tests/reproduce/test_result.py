from __future__ import annotations

from typing import Any

import pytest

from copycost.reproduce.result import is_run_of
from copycost.runner.config import RunConfig
from tests.reproduce.made_up import record_of


def frugal(**settings: Any) -> RunConfig:
    """A run of an attack whose settings follow its budget where none are given."""
    return RunConfig(
        attack="frugal", settings=settings, victim="digits-lenet", student="lenet", budget=6_000
    )


@pytest.mark.parametrize(("shift", "same"), [(0.0, True), (0.0625, False)])
def test_what_a_record_is_older_than_counts_as_the_fields_default(shift, same):
    whole = record_of(frugal(shift=0.0), "")
    older = {name: value for name, value in whole.config["settings"].items() if name != "shift"}
    record = whole.model_copy(update={"config": {**whole.config, "settings": older}})
    assert is_run_of(record, frugal(shift=shift)) is same


def test_a_run_that_differs_in_a_setting_is_another():
    record = record_of(frugal(student_steps=8), "")
    assert is_run_of(record, frugal(student_steps=8))
    assert not is_run_of(record, frugal(student_steps=9))
