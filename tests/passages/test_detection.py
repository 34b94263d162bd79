"""The table of alarms, from what `copycost detect` found."""

from __future__ import annotations

from pathlib import Path

from copycost.runner.detecting import Detection, Watched
from tests.passages.conftest import AROUND, cells_of
from tools.passages.detection import detection_passage
from tools.passages.markdown import NOT_RUN


def watched(attack: str, seed: int, alarm: int | None, queries: int = 5_999) -> Watched:
    return Watched(
        run=f"{attack}-seed{seed}", id=f"{attack} {seed} {queries}", attack=attack,
        adaptations=(), defences=(), access="label", seed=seed, queries=queries,
        watched=alarm or queries, alarm=alarm, suspicion=0.5, agreement=0.9 + seed / 100,
    )  # fmt: skip


def test_alarms_of_all_seeds_of_some_and_of_none(tmp_path: Path) -> None:
    assert detection_passage(tmp_path) == NOT_RUN
    runs = [
        *(watched("dfme", seed, alarm) for seed, alarm in enumerate((130, 120, 150))),
        *(watched("disguide", seed, alarm) for seed, alarm in enumerate((None, 2_000, 1_500))),
        *(watched("frugal", seed, None) for seed in range(3)),
        watched("frugal", 0, 500, queries=20_000),
    ]
    found = Detection(
        detector="prada", victim="a net", dataset="digits", victim_hash="5e", threshold=0.0625,
        calibrated=True, customers=20, queries_each=445, false_alarms=0, runs=runs,
        surroundings=AROUND,
    )  # fmt: skip
    (tmp_path / "detection").mkdir()
    found.write_to(tmp_path / "detection" / "a.json")
    other = {"detector": "confidence", "threshold": 0.2, "queries_each": 223, "runs": runs[3:7]}
    found.model_copy(update=other).write_to(tmp_path / "detection" / "b.json")
    note, lines, made = detection_passage(tmp_path).replace("\u00a0", " ").split("\n\n")
    assert "`prada` above 0.0625 and `confidence` above 0.2, the highest of 20 honest" in note
    assert "who asked 445 and 223 queries each" in note
    assert cells_of(lines.split("\n")[2:]) == [
        ["DFME, label", "5,999", "91.0 % (90.0–92.0 %)", "after 130 (120–150)", "–"],
        [
            "DisGUIDE, label",
            "5,999",
            "91.0 % (90.0–92.0 %)",
            "in 2 of 3 runs: after 1,500 and 2,000",
            "in 2 of 3 runs: after 1,500 and 2,000",
        ],
        [
            "Frugal, label",
            "5,999",
            "91.0 % (90.0–92.0 %)",
            "**none** in 5,999",
            "**none** in 5,999",
        ],
        ["Frugal, label", "20,000", "90.0 %", "after 500", "–"],
    ]
    assert "0123abc" in made
