"""The folder of a run: what lies in it, whose it is, and what its disk refuses."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from pathlib import Path

import pytest

from copycost.errors import DiskFailed, RunError
from copycost.ranks import Ranks
from copycost.runner.copy_model import copy_model
from copycost.runner.folder import (
    CLAIM_FILE,
    UNSTABLE_FILE,
    claimed,
    disk_faults_told,
    exclusive,
    has_begun,
    has_diverged,
    kept_record,
    own,
)
from copycost.runner.record import RECORD_FILE
from tests.runner.conftest import tiny_config, tiny_target


def test_each_rank_has_a_file_of_its_own_and_the_first_that_of_a_lone_run() -> None:
    names = [own(Path("run/ledger.sqlite"), Ranks(rank, 3)).as_posix() for rank in range(3)]
    assert names == ["run/ledger.sqlite", "run/ledger-rank1.sqlite", "run/ledger-rank2.sqlite"]


def test_a_run_has_begun_from_its_claim_to_its_record(tmp_path: Path) -> None:
    assert not has_begun(tmp_path)
    (tmp_path / CLAIM_FILE).write_text("{}")
    assert has_begun(tmp_path)
    (tmp_path / RECORD_FILE).write_text("{}")
    assert not has_begun(tmp_path)


def test_a_run_has_diverged_where_its_players_were_kept(tmp_path: Path) -> None:
    assert not has_diverged(None)
    assert not has_diverged(tmp_path)
    (tmp_path / UNSTABLE_FILE).write_text("")
    assert has_diverged(tmp_path)


@pytest.mark.parametrize("place", ["run", "run/in/it"])
def test_a_file_in_the_place_of_the_folder_or_of_one_above_it_is_told(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "run").write_text("a file")
    with (
        pytest.raises(RunError, match=f"{place}: expected a folder.*a file is in its place"),
        exclusive(tmp_path / place),
    ):
        pass


def test_a_path_is_looked_at_as_a_whole_where_a_part_of_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """safetensors could not read a checkpoint from there, whatever the part is called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "getcwd", lambda: os.fsdecode(b"/home/U\xff"))
    with pytest.raises(RunError, match="expected a path in UTF-8"), exclusive(Path("run")):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"{", "Expecting property name"), (b"\xff", "can't decode"), (b"[1]", "a JSON object")],
)
def test_a_claim_that_cannot_be_read_is_told_and_leaves_no_record(
    tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / CLAIM_FILE).write_bytes(content)
    with (
        pytest.raises(RunError, match=rf"run\.json is damaged: .*{why}.*Use another folder"),
        claimed(tmp_path, tiny_config(), tiny_target(), Ranks()),
    ):
        pass
    assert kept_record(tmp_path, tiny_config(), tiny_target()) is None


def test_a_folder_belongs_to_the_run_that_began_in_it(tmp_path: Path) -> None:
    config, target = tiny_config(), tiny_target()
    for _ in range(2):
        with claimed(tmp_path, config, target, Ranks()):
            pass
    claim = json.loads((tmp_path / CLAIM_FILE).read_text())
    assert (claim["ranks"], claim["declared"]) == (1, target.declared_hash)
    with (
        pytest.raises(RunError, match="another run: other settings or another victim"),
        claimed(tmp_path, tiny_config(seed=9), target, Ranks()),
    ):
        pass


def test_a_record_is_kept_of_the_run_that_left_it_and_of_no_other(tmp_path: Path) -> None:
    settings = {"batch_size": 32, "student_steps": 1}
    config = tiny_config(attack="random-noise", settings=settings, budget=64, evaluations=1)
    assert kept_record(tmp_path, config, tiny_target()) is None
    record = copy_model(config, tiny_target(), tmp_path)
    assert kept_record(tmp_path, config, tiny_target()) == record
    other = config.model_copy(update={"seed": 9})
    assert kept_record(tmp_path, other, tiny_target()) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_a_fault_of_the_disk_names_the_file_if_the_system_does(tmp_path: Path, number: int) -> None:
    for where, named in ((("full",), ""), (("full", "a/file"), "a/file: ")):
        with (
            pytest.raises(DiskFailed, match=f"could not write to its disk: {named}full"),
            disk_faults_told(tmp_path),
        ):
            raise OSError(number, *where)


def test_a_fault_of_the_ledger_is_one_of_the_disk_and_other_errors_stay_as_they_are(
    tmp_path: Path,
) -> None:
    with pytest.raises(DiskFailed, match="its ledger: full"), disk_faults_told(tmp_path):
        raise sqlite3.OperationalError("full")
    other = OSError(errno.EACCES, "not yours")
    with pytest.raises(OSError, match="not yours") as raised, disk_faults_told(tmp_path):
        raise other
    assert raised.value is other
