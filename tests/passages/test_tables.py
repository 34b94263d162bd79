"""The tables of copies of models of rows and of texts, from records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.passages.conftest import cells_of
from tests.report.conftest import MakeRecord
from tools.passages.markdown import NOT_RUN
from tools.passages.tables import tables_passage, texts_passage


@pytest.mark.parametrize(
    ("passage", "folder"), [(tables_passage, "tables"), (texts_passage, "texts")]
)
def test_attacks_are_rows_and_models_columns(
    passage: Callable[[Path], str], folder: str, make_record: MakeRecord, tmp_path: Path
) -> None:
    assert passage(tmp_path) == NOT_RUN
    runs = [
        ("cells", "forest", "frugal", 0, 0.9, "probabilities", 300),
        ("cells", "forest", "frugal", 1, 0.8, "probabilities", 300),
        ("cells", "boosting", "frugal", 0, 0.7, "probabilities", 300),
        ("cells", "forest", "frugal", 0, 0.6, "label", 300),
        ("cells", "forest", "dfme", 0, 0.5, "probabilities", 6_000),
        ("words", "forest", "frugal", 0, 0.4, "probabilities", 300),
    ]
    for place, (data, model, attack, seed, agreement, access, budget) in enumerate(runs):
        facts = {"dataset": data, "architecture": model, "name": f"{data}-{model}",
                 "content_hash": f"{data}-{model}", "commonest_label": 0.25}  # fmt: skip
        record = make_record(attack, seed, agreement, access=access, budget=budget, victim=facts)
        there = tmp_path / folder / str(place)
        there.mkdir(parents=True)
        record.write(there)
    note, cells, other, words, seeds, made = passage(tmp_path).replace("\u00a0", " ").split("\n\n")
    assert note == "**cells**: the best constant answer is right in 25.0 %."
    assert other.startswith("**words**")
    assert "seed" in seeds
    assert made.startswith("*Measured on")
    rows = cells_of(cells.split("\n"))
    assert [cell.split(",")[0] for cell in rows[0][1:]] == ["`boosting`", "`forest`"]
    assert [row[0] for row in rows[2:]] == [
        "DFME into `resnet18-8x`, 6,000 queries",
        "Frugal into `resnet18-8x`, 300 queries",
        "Frugal into `resnet18-8x`, labels, 300 queries",
    ]  # fmt: skip
    assert [row[1].split(" / ")[0] for row in rows[2:]] == ["–", "70.0 %", "–"]
    assert [row[2].split(" / ")[0] for row in rows[2:]] == [
        "50.0 %", "85.0 % (80.0–90.0 %)", "60.0 %",
    ]  # fmt: skip
    assert cells_of(words.split("\n"))[2][1].startswith("40.0 %")


def test_kinds_of_texts_are_rows_of_their_own(make_record: MakeRecord, tmp_path: Path) -> None:
    spec = {"shape": [6], "modality": "text", "vocabulary": 50}
    for place, (kind, agreement) in enumerate((("phrases", 0.25), ("zipfian", 0.75))):
        asked = {"settings": {"texts": [kind]}}
        record = make_record("frugal", 0, agreement, victim={"spec": spec}, config=asked)
        folder = tmp_path / "texts" / str(place)
        folder.mkdir(parents=True)
        record.write(folder)
    _, cells, *_ = texts_passage(tmp_path).replace("\u00a0", " ").split("\n\n")
    rows = cells_of(cells.split("\n"))[2:]
    assert [row[0].split(", ")[1] for row in rows] == ["`phrases`", "`zipfian`"]
    assert [row[1].split(" / ")[0] for row in rows] == ["25.0 %", "75.0 %"]
