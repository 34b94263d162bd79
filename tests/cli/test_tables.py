"""Tables in the terminal, over records that were measured elsewhere."""

from __future__ import annotations

from pathlib import Path

from copycost import read_record
from copycost.cli.audit_run import plan
from copycost.cli.summary import audit_json, audit_table
from copycost.cli.sweep_run import _result_table
from copycost.report.groups import group_records
from copycost.report.table import rows
from copycost.runner.config import RunConfig

RUN = Path(__file__).parents[2] / "results/digits/dfme-seed0"


def headings(table):
    return [str(column.header) for column in table.columns]


def test_durations_have_units_of_their_own_and_no_other_in_the_heading():
    record = read_record(RUN)
    groups = group_records([record])
    for table in (audit_table([record]), _result_table(rows(groups))):
        assert headings(table)[-1] == "time"


def test_a_sweep_over_held_out_data_says_on_which_a_line_is():
    record = read_record(RUN)
    victim = record.victim.model_copy(update={"dataset": "other digits"})
    other = record.model_copy(update={"victim": victim})
    table = _result_table(rows(group_records([record, other])))
    assert headings(table)[:2] == ["attack", "data"]
    assert list(table.columns[1].cells) == ["scikit-learn digits", "other digits"]


def test_flags_in_json_say_what_they_were_raised_for():
    records = [read_record(RUN), read_record(RUN.with_name("random-noise-seed0"))]
    found = audit_json(records, Path("report.html"))["flags"]
    few = [flag["where"] for flag in found if flag["name"] == "too-few-seeds"]
    assert few == ["DFME", "random noise"]


def test_one_run_is_not_one_runs():
    run = RunConfig(victim="mine", attack="frugal", student="lenet", budget=100)
    assert plan([run]).endswith("access: 1 run (frugal) of 100 queries each.")
