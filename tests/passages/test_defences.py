"""The table of defences, from records."""

from __future__ import annotations

from pathlib import Path

from tests.report.conftest import MakeRecord
from tools.passages.defences import defences_passage
from tools.passages.markdown import NOT_RUN


def test_the_price_to_users_stands_beside_what_attackers_reach(
    make_record: MakeRecord, tmp_path: Path
) -> None:
    assert defences_passage(tmp_path) == NOT_RUN
    runs = [
        ("frugal", (), None, 0.9, "probabilities"),
        ("frugal", ("mad:1",), 0.8, 0.5, "probabilities"),
        ("frugal", ("noise:0.1", "rounding:1"), 0.3, 0.7, "probabilities"),
        ("dfme", (), None, 0.6, "probabilities"),
        ("frugal", (), None, 0.85, "label"),
    ]
    for attack, defences, moved, agreement, access in runs:
        seen = 0.5 if defences == ("mad:1",) else 0.95
        victim = {"defences": defences, "perturbation": moved, "defended_accuracy": seen}
        record = make_record(attack, 0, agreement, access=access, budget=6_000, victim=victim)
        place = tmp_path / "defences" / f"{attack}-{access}-{len(defences)}"
        place.mkdir(parents=True)
        record.write(place)
    text = defences_passage(tmp_path).replace("\u00a0", " ")
    head, _, *lines = text.split("\n\n")[1].split("\n")
    assert [cell.strip() for cell in head.split("|")[4:7]] == [
        "DFME, probabilities, 6,000 queries",
        "Frugal, probabilities, 6,000 queries",
        "Frugal, label, 6,000 queries",
    ]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert [row[0] for row in cells] == ["none", "`noise:0.1` → `rounding:1`", "`mad:1`"]
    assert [row[2:] for row in cells] == [
        ["–", "60.0 %", "90.0 %", "85.0 %"],
        ["0.30", "–", "70.0 %", "–"],
        ["0.80", "–", "50.0 %", "–"],
    ]
    # Behind what leaves users their accuracy, which mad:1 does not; and nothing where none ran.
    assert "\n- Frugal, probabilities, 6,000 queries: agreement from 70.0 % to 70.0 %; " in text
    assert "to 70.0 %; without, 90.0 %.\n" in text
    assert "\n- DFME" not in text


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
