"""The section that sets a defence's gain beside its price."""

from __future__ import annotations

from tests.report.conftest import MakeRecord

from copycost.report.defended import DefenceRow, defence_rows
from copycost.report.doubts import doubts
from copycost.report.groups import group_records
from copycost.report.headline import headlines
from copycost.report.page import render
from copycost.report.runs import ReportedRun
from copycost.report.tariff import Tariff
from copycost.runner.record import Record
from copycost.types import Access

MAD = {"defences": ("mad:1",), "perturbation": 0.8, "defended_accuracy": 0.93}
FLAG = "no-adaptive-attack"
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


def test_by_labels_there_is_no_k(make_record: MakeRecord) -> None:
    best_two = {"access": Access.TOP_K, "config": {"top_k": 2}}
    (found, _) = rows(
        [
            make_record("frugal", 0, 0.6, victim=MAD, **best_two),
            make_record("frugal", 0, 0.85, victim=MAD, access=Access.LABEL),
        ]
    )
    assert found.by_labels == "85.0 %"


def test_each_choice_of_settings_stands_beside_its_own_undefended_copy(
    make_record: MakeRecord,
) -> None:
    choices = [(epsilon, victim) for victim in ({}, MAD) for epsilon in (1.0, 2.0)]
    found = rows(
        [
            make_record("dfme", 0, share, epsilon=epsilon, victim=victim)
            for (epsilon, victim), share in zip(choices, (0.9, 0.8, 0.7, 0.6), strict=True)
        ]
    )
    assert [(row.label, row.undefended, row.defended) for row in found] == [
        ("DFME, settings.epsilon 1.0", "90.0 %", "70.0 %"),
        ("DFME, settings.epsilon 2.0", "80.0 %", "60.0 %"),
    ]


INVERT = {"adaptations": ["invert"]}


def test_who_adapts_stands_beside_who_does_not(make_record: MakeRecord) -> None:
    found = rows(
        [
            make_record("frugal", 0, 0.95, config={"adaptations": ["average:2"]}),
            make_record("frugal", 0, 0.9),
            make_record("frugal", 0, 0.6, victim=MAD),
            make_record("frugal", 0, 0.88, victim=MAD, config=INVERT),
            make_record("frugal", 1, 0.86, victim=MAD, config=INVERT),
        ]
    )
    assert [(row.label, row.undefended, row.defended) for row in found] == [
        ("Frugal", "90.0 %", "60.0 %"),
        ("Frugal + invert", "90.0 %", "87.0 % (86.0\u201388.0 %)"),
    ]


def test_the_sentence_names_who_adapted_and_how(make_record: MakeRecord) -> None:
    records = [
        make_record("frugal", 0, 0.6, victim=MAD),
        make_record("frugal", 0, 0.88, victim=MAD, config=INVERT),
    ]
    (found,) = headlines(group_records(records))
    assert "queries, Frugal + invert made a copy that agrees with your model on 88.0" in (
        found.sentence
    )
    assert found.details[:2] == (
        "The API released probabilities, behind mad:1.",
        "The attacker adapted to that by invert.",
    )
    assert not any("choices of its settings" in detail for detail in found.details)


def test_defences_that_nobody_adapted_to_are_flagged(make_record: MakeRecord) -> None:
    def flagged(*records: Record) -> list[str]:
        found = doubts(group_records(records))
        return [f"{d.where}: {d.flag.detail}" for d in found if d.flag.name == FLAG]

    plain = make_record("frugal", 0, 0.9)
    naive = make_record("frugal", 0, 0.6, victim=TWO)
    adapted = make_record("dfme", 0, 0.5, victim=TWO, config=INVERT)
    by_labels = make_record("frugal", 0, 0.8, victim=TWO, access=Access.LABEL)
    assert flagged(plain, naive) == [
        "Frugal, behind noise:0.1 → rounding:1: behind noise:0.1 + rounding:1"
    ]
    assert flagged(plain, naive, adapted) == []
    assert flagged(by_labels) == []
    assert len(flagged(naive, by_labels)) == 1  # by labels, another thing is found out
    elsewhere = make_record("dfme", 0, 0.5, victim=MAD, config=INVERT)
    assert len(flagged(naive, elsewhere)) == 1


AVERAGE = {"adaptations": ["average:4"]}


def test_averaging_alone_is_no_adapting_to_defences_that_draw_nothing(
    make_record: MakeRecord,
) -> None:
    def flagged(*records: Record) -> list[str]:
        found = doubts(group_records(records))
        return [d.flag.detail for d in found if d.flag.name == FLAG]

    averaged = make_record("frugal", 0, 0.6, victim=MAD, config=AVERAGE)
    twice = make_record("frugal", 0, 0.6, victim=MAD, config={"adaptations": ["average:2"]})
    inverted = make_record("dfme", 0, 0.5, victim=MAD, config=INVERT)
    both = make_record("dfme", 0, 0.5, victim=MAD, config={"adaptations": ["average:4", "invert"]})
    assert flagged(averaged) == ["behind mad:1; tried: average:4, which undoes noise alone"]
    assert (
        flagged(averaged, twice)
        == ["behind mad:1; tried: average:4, average:2, which undoes noise alone"] * 2
    )
    assert flagged(averaged, inverted) == flagged(both) == []
    assert flagged(make_record("frugal", 0, 0.6, victim=TWO, config=AVERAGE)) == []
    own = {"defences": ("own_defences:Gate:0.9",), "defended_accuracy": 0.9}
    assert flagged(make_record("frugal", 0, 0.6, victim=own, config=AVERAGE)) == [
        "behind own_defences:Gate:0.9; tried: average:4, which undoes noise alone"
    ]


def test_the_page_has_the_section_only_with_defences(make_record: MakeRecord) -> None:
    def page(*records: Record) -> str:
        runs = [ReportedRun(f"runs/{i}", record, None) for i, record in enumerate(records)]
        return render(runs, Tariff(None, None))

    plain, defended = make_record("dfme", 0, 0.8), make_record("dfme", 0, 0.5, victim=MAD)
    assert "What the defences bought" not in page(plain)
    found = page(plain, defended)
    assert "What the defences bought" in found
    assert found.index("0.80") < found.index("Reasons to doubt")
