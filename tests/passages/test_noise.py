"""The table of random noise, from records."""

from __future__ import annotations

from pathlib import Path

from tests.report.conftest import MakeRecord
from tools.passages.markdown import NOT_RUN
from tools.passages.noise import noise_passage

LONG = {"student_steps": 64, "batch_size": 32}


def test_noise_learnt_once_stands_before_noise_learnt_long(make_record: MakeRecord, tmp_path: Path):
    assert noise_passage(tmp_path) == NOT_RUN
    for name, settings, agreement in (("long", LONG, 0.7), ("once", {"batch_size": 16}, 0.1)):
        config = {"settings": settings}
        record = make_record("random-noise", 0, agreement, budget=6_000, config=config)
        (tmp_path / "noise" / name).mkdir(parents=True)
        record.write(tmp_path / "noise" / name)
    lines = [line for line in noise_passage(tmp_path).splitlines() if "6,000" in line]
    once, long = (line.replace("\u00a0", " ") for line in lines)
    assert "| once, in batches of 16 | 10.0 % |" in once
    assert "| 64 steps for each batch of 32 | 70.0 % |" in long
