"""The section that sets a defence's gain beside its price."""

from __future__ import annotations

from tests.report.conftest import MakeRecord

from copycost.report.defended import DefenceRow, defence_rows
from copycost.report.groups import group_records
from copycost.report.page import render
from copycost.report.runs import Run
from copycost.report.tariff import Tariff
from copycost.runner.record import Record
from copycost.types import Access

MAD = {"defences": ("mad:1",), "perturbation": 0.8, "defended_accuracy": 0.93}
TWO = {"defences": ("noise:0.1", "rounding:1"), "defended_accuracy": 0.9}


def rows(records: list[Record]) -> list[DefenceRow]:
    """The printed rows, with plain blanks."""
    found = [vars(row) for row in defence_rows(group_records(records))]
    return [DefenceRow(**{k: v.replace("\u00a0", " ") for k, v in row.items()}) for row in found]


def test_each_attack_stands_beside_itself_without_the_defences(make_record: MakeRecord) -> None:
    found = rows(
        [
            make_record("dfme", 0, 0.8),
            make_record("frugal", 0, 0.9),
            make_record("dfme", 0, 0.5, victim=MAD),
            make_record("frugal", 0, 0.6, victim=MAD),
            make_record("frugal", 1, 0.7, victim=MAD),
            make_record("frugal", 0, 0.4, victim=TWO, budget=99),
        ]
    )
    assert [(row.label, row.defences, row.undefended, row.defended) for row in found] == [
        ("DFME, 150,000 queries", "mad:1", "80.0 %", "50.0 %"),
        ("Frugal, 150,000 queries", "mad:1", "90.0 %", "65.0 % (60.0\u201370.0 %)"),
        ("Frugal, 99 queries", "noise:0.1 → rounding:1", "–", "40.0 %"),
    ]
    assert [(row.accuracy, row.moved) for row in found[1:]] == [("93.0 %", "0.80"), ("90.0 %", "–")]


def test_whoever_ignores_the_probabilities_is_shown(make_record: MakeRecord) -> None:
    by_labels = {"access": Access.LABEL, "victim": MAD}
    found = rows(
        [
            make_record("frugal", 0, 0.6, victim=MAD),
            make_record("frugal", 0, 0.85, **by_labels),
            make_record("disguide", 0, 0.95, **by_labels),
            make_record("disguide", 0, 0.99, **by_labels | {"budget": 99}),
            make_record("disguide", 0, 0.97, access=Access.LABEL),
        ]
    )
    behind = {row.label: row.by_labels for row in found}
    assert behind == {
        "Frugal, probabilities, 150,000 queries": "95.0 %",
        "Frugal, label, 150,000 queries": "–",
        "DisGUIDE, label, 150,000 queries": "–",
        "DisGUIDE, label, 99 queries": "–",
    }


def test_the_page_has_the_section_only_with_defences(make_record: MakeRecord) -> None:
    def page(*records: Record) -> str:
        runs = [Run(f"runs/{i}", record, None) for i, record in enumerate(records)]
        return render(runs, Tariff(None, None))

    plain, defended = make_record("dfme", 0, 0.8), make_record("dfme", 0, 0.5, victim=MAD)
    assert "What the defences bought" not in page(plain)
    found = page(plain, defended)
    assert "What the defences bought" in found
    assert found.index("0.80") < found.index("Reasons to doubt")
