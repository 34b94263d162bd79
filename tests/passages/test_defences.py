"""The table of defences, from records."""

from __future__ import annotations

from pathlib import Path

from tests.passages.conftest import cells_of
from tests.report.conftest import MakeRecord
from tools.passages.defences import defences_passage
from tools.passages.markdown import NOT_RUN


def test_the_price_to_users_stands_beside_what_attackers_reach(
    make_record: MakeRecord, tmp_path: Path
) -> None:
    assert defences_passage(tmp_path) == NOT_RUN
    runs = [
        ("frugal", (), None, 0.9, "probabilities", ()),
        ("frugal", ("mad:1",), 0.8, 0.5, "probabilities", ()),
        ("frugal", ("mad:1",), 0.8, 0.88, "probabilities", ("invert",)),
        ("frugal", ("noise:0.1", "rounding:1"), 0.3, 0.7, "probabilities", ()),
        ("frugal", ("noise:0.1", "rounding:1"), 0.3, 0.75, "probabilities", ("invert",)),
        ("frugal", ("noise:0.1", "rounding:1"), 0.3, 0.6, "probabilities", ("average:2",)),
        ("frugal", ("rounding:2",), 0.1, 0.8, "probabilities", ()),
        ("dfme", (), None, 0.6, "probabilities", ()),
        ("dfme", ("mad:1",), 0.8, 0.1, "probabilities", ()),
        ("frugal", (), None, 0.85, "label", ()),
        ("frugal", ("rounding:2",), 0.1, 0.85, "label", ()),
    ]
    for place, (attack, defences, moved, agreement, access, adaptations) in enumerate(runs):
        seen = 0.5 if defences == ("mad:1",) else 0.95
        victim = {"defences": defences, "perturbation": moved, "defended_accuracy": seen}
        config = {"adaptations": list(adaptations)} if adaptations else {}
        record = make_record(
            attack, 0, agreement, access=access, budget=6_000, victim=victim, config=config
        )
        folder = tmp_path / "defences" / str(place)
        folder.mkdir(parents=True)
        record.write(folder)
    text = defences_passage(tmp_path).replace("\u00a0", " ")
    head, _, *lines = text.split("\n\n")[1].split("\n")
    assert [cell.strip() for cell in head.split("|")[4:-1]] == [
        "DFME, probabilities, 6,000 queries",
        "Frugal, probabilities, 6,000 queries",
        "Frugal + invert, probabilities, 6,000 queries",
        "Frugal, label, 6,000 queries",
    ]
    cells = cells_of(lines)
    sets = ["none", "`rounding:2`", "`noise:0.1` → `rounding:1`", "`mad:1`"]
    assert [row[0] for row in cells] == sets
    assert [row[2:] for row in cells] == [
        ["–", "60.0 %", "90.0 %", "–", "85.0 %"],
        ["0.10", "–", "80.0 %", "–", "85.0 %"],
        ["0.30", "–", "70.0 %", "75.0 %", "–"],
        ["0.80", "10.0 %", "50.0 %", "88.0 %", "–"],
    ]
    # Behind what leaves users their accuracy, which mad:1 does not; and nothing where none ran.
    told = [line for line in text.split("\n") if line.startswith("- ")]
    both, labels = "`noise:0.1` → `rounding:1`", "`rounding:2`"
    assert [line.replace(", 6,000 queries", "") for line in told] == [
        "- Frugal, probabilities: agreement from 70.0 % to 80.0 %; without, 90.0 %.",
        f"- Frugal + average:2, probabilities: agreement of 60.0 % behind {both}; without, 90.0 %.",
        f"- Frugal + invert, probabilities: agreement of 75.0 % behind {both}; without, 90.0 %.",
        f"- Frugal, label: agreement of 85.0 % behind {labels}; without, 85.0 %.",
    ]


def test_each_victim_has_a_table_of_its_own(make_record: MakeRecord, tmp_path: Path) -> None:
    for place, data in enumerate(("digits", "clothes", "digits")):
        defences = ("mad:1",) if place == 2 else ()  # of the clothes there is nothing to list
        victim = {"dataset": data, "architecture": f"net of {data}", "defences": defences}
        folder = tmp_path / "defences" / str(place)
        folder.mkdir(parents=True)
        make_record("dfme", 0, 0.5, victim=victim).write(folder)
    parts = defences_passage(tmp_path).split("\n\n")
    starts = [part.split(":")[0] for part in parts if "victim `net of" in part]
    assert starts == ["clothes", "digits"]
    assert sum(part.count("| none |") for part in parts) == 2
