"""Paths may be given as text, as everywhere in Python."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
from copycost.errors import RunError
from copycost.runner.keeper import keeping
from copycost.runner.stopping import Stop
from copycost.sweep.sweep import Sweep
from copycost.testing import SpyVictim, tiny_victim
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


def test_a_path_whose_checkpoints_could_not_be_read_is_refused_before_a_query(
    tmp_path: Path,
) -> None:
    folder = tmp_path / os.fsdecode(b"U\xff")
    spy = SpyVictim(tiny_victim())
    with pytest.raises(RunError, match=r"udcff': expected a path in UTF-8"):
        copy_model(tiny_config(), tiny_target(spy), folder)
    assert spy.count == 0
    assert list(tmp_path.iterdir()) == []


def test_a_victim_may_be_trained_into_the_folder_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with keeping(Path(), Stop()):
        assert (tmp_path / ".here.work").exists()
