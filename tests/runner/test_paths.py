"""Paths may be given as text, as everywhere in Python."""

from __future__ import annotations

from pathlib import Path

from copycost import (
    Ledger,
    audit,
    copy_model,
    load_model,
    read_record,
    read_transfer_set,
    save_model,
    write_report,
)
from copycost.sweep.sweep import Sweep
from tests.runner.conftest import tiny_config, tiny_target


def test_a_run_and_what_is_read_of_it_by_text(tmp_path: Path) -> None:
    config = tiny_config(record_queries="bytes")
    ((record, folder),) = audit([config], tiny_target(), str(tmp_path))
    text = str(folder)
    assert copy_model(config, tiny_target(), text) == read_record(text) == record
    assert len(read_transfer_set(text)) == record.spent
    page = write_report([text, folder], f"{tmp_path}/page/report.html")
    assert page.read_text() == write_report([folder], tmp_path / "other.html").read_text()


def test_a_model_and_a_ledger_by_text(tmp_path: Path) -> None:
    ((_, folder),) = audit([tiny_config()], tiny_target(), tmp_path)
    student, card = load_model(str(folder / "student"))
    assert save_model(str(tmp_path / "copy"), student, card) == card
    with Ledger(str(tmp_path / "new" / "ledger.sqlite")) as ledger:
        assert ledger.account("attacker", 3).spent == 0
    assert (tmp_path / "new" / "ledger.sqlite").exists()


def test_a_sweep_goes_where_its_text_says(tmp_path: Path) -> None:
    config = tiny_config(victim="digits-cnn", student="gap-cnn")
    assert Sweep([config], str(tmp_path)).folder == Sweep([config], tmp_path).folder
