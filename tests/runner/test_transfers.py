"""A run that keeps its queries: through stops, crashes and kills."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import time
from collections import namedtuple
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from copycost import read_transfer_set
from copycost.defences.stack import defend
from copycost.errors import RunError
from copycost.oracle.ledger import Ledger
from copycost.oracle.meter import CountedOracle
from copycost.oracle.transfer.frames import HEADER, read_layout
from copycost.runner.copy_model import copy_model
from copycost.runner.folder import LEDGER_FILE, TRANSFER_FOLDER
from copycost.runner.record import RECORD_FILE, read_record
from copycost.runner.stopping import Stop
from copycost.testing import SpyVictim, tiny_victim
from tests.runner.conftest import tiny_config, tiny_target
from tests.runner.test_resume import Crash, CrashAt
from tests.stops import StopAt

KEPT = {"record_queries": "bytes"}
ROOT = Path(__file__).parents[2]
Usage = namedtuple("Usage", "total used free")


class Keeping(SpyVictim):
    """Keeps all it is asked."""

    def __init__(self) -> None:
        super().__init__(tiny_victim())
        self.asked: list[torch.Tensor] = []

    def answer(self, x: torch.Tensor) -> torch.Tensor:
        self.asked.append(x.clone())
        return super().answer(x)


@pytest.mark.parametrize("budget", [3001, 997])
@pytest.mark.parametrize("attack", ["dfme", "random-noise"])
def test_every_query_of_a_run_is_there(tmp_path: Path, budget: int, attack: str) -> None:
    victim = Keeping()
    settings = {} if attack == "dfme" else {"settings": {"batch_size": 32, "student_steps": 1}}
    config = tiny_config(
        record_queries="exact", budget=budget, attack=attack, defences=("rounding:2",), **settings
    )
    record = copy_model(config, tiny_target(victim), tmp_path)
    found = read_transfer_set(tmp_path)
    assert len(found) == record.spent
    assert found.missing == 0
    assert record.transfer is not None
    assert (record.transfer.queries, record.transfer.missing) == (record.spent, 0)
    (every,) = found.chunks(budget)
    asked = torch.cat(victim.asked)[: -record.victim.asked_at_the_end][-record.spent :]
    assert torch.equal(every.inputs, asked)
    assert every.scores is not None
    # What was released, not what the victim computed.
    api = defend(tiny_victim(), ("rounding:2",), 0)
    released = CountedOracle(api, access="probabilities", budget=budget)(asked).scores
    assert released is not None
    same = (every.scores - released).abs().amax(dim=1) < 1e-6
    assert float(same.float().mean()) > 0.98, "other batches round a few values the other way"


@pytest.mark.parametrize("k", [1, 3])
def test_top_k_releases_as_many_as_the_configuration_says(tmp_path: Path, k: int) -> None:
    noise = {"attack": "random-noise", "settings": {"batch_size": 32, "student_steps": 1}}
    config = tiny_config(
        access="top-k", top_k=k, record_queries="exact", budget=64, evaluations=1, **noise
    )
    copy_model(config, tiny_target(), tmp_path)
    for call in read_transfer_set(tmp_path).calls():
        assert call.scores is not None
        assert ((call.scores > 0).sum(1) == k).all()


def test_one_seed_asks_the_same_queries_and_another_seed_others(tmp_path: Path) -> None:
    """To the byte of all that was asked and released, and of both accounts."""

    def left_by(name: str, seed: int) -> tuple[object, ...]:
        config = tiny_config(record_queries="exact", defences=("noise:0.1",), seed=seed)
        record = copy_model(config, tiny_target(), tmp_path / name)
        kept = sorted((tmp_path / name / TRANSFER_FOLDER).iterdir())
        assert sum(file.stat().st_size for file in kept) > 4 * record.spent
        return {file.name: file.read_bytes() for file in kept}, record.accounts

    first, again, other = left_by("a", 1), left_by("b", 1), left_by("c", 2)
    assert first == again
    assert first[0] != other[0]


def test_nothing_is_kept_unless_it_is_asked_for(tmp_path: Path) -> None:
    record = copy_model(tiny_config(), tiny_target(), tmp_path)
    assert record.transfer is None
    assert not (tmp_path / "transfer").exists()
    with pytest.raises(RunError, match="no transfer set"):
        read_transfer_set(tmp_path)


def test_keeping_changes_nothing_else(tmp_path: Path) -> None:
    kept = copy_model(tiny_config(**KEPT), tiny_target(), tmp_path / "kept")
    bare = copy_model(tiny_config(), tiny_target(), tmp_path / "bare")
    assert kept.student_hash == bare.student_hash
    assert kept.id != bare.id


def test_old_runs_keep_their_identity() -> None:
    """A configuration from before there was a choice is the one that keeps nothing."""
    assert tiny_config().identity("x") == tiny_config(record_queries="off").identity("x")
    assert tiny_config().identity("x") != tiny_config(**KEPT).identity("x")


def test_a_stopped_run_that_went_on_leaves_the_same_files(tmp_path: Path) -> None:
    copy_model(tiny_config(**KEPT), tiny_target(), tmp_path / "whole")
    for at in (1, 700, 1600, 10**6):
        stop = Stop()
        watcher = StopAt(stop, at)
        copy_model(
            tiny_config(**KEPT), tiny_target(), tmp_path / "parts", stop=stop, watcher=watcher
        )
    whole, parts = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "transfer").iterdir()}
        for name in ("whole", "parts")
    )
    assert whole == parts
    assert read_transfer_set(tmp_path / "parts").missing == 0


def test_after_a_crash_the_account_is_ahead_and_the_reader_says_how_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("copycost.oracle.meter.BLOCKS_PER_BUDGET", 5)
    victim = Keeping()
    for at in (100, 1700):
        with pytest.raises(Crash):
            copy_model(
                tiny_config(**KEPT), tiny_target(victim), tmp_path, watcher=CrashAt(Stop(), at)
            )
    record = copy_model(tiny_config(**KEPT), tiny_target(victim), tmp_path)
    found = read_transfer_set(tmp_path)
    sent = victim.count - record.accounts["auditor"].spent
    # A crash of the loop alone loses nothing that was handed over.
    assert len(found) == sent
    assert found.missing == record.spent - sent > 0
    assert record.transfer is not None
    assert record.transfer.missing == found.missing
    calls = list(found.calls())
    gaps = sum(later.first - (call.first + len(call.labels)) for call, later in pairwise(calls))
    assert gaps == found.missing, "positions that no call covers are those of the crashes"
    assert [call.first for call in calls] == sorted({call.first for call in calls})


def test_a_set_is_read_while_its_run_has_no_record_yet_and_by_the_ledger_that_is_named(
    tmp_path: Path,
) -> None:
    record = copy_model(tiny_config(**KEPT), tiny_target(), tmp_path)
    (tmp_path / RECORD_FILE).unlink()
    assert read_transfer_set(tmp_path).missing == 0
    with Ledger(tmp_path / "other.sqlite") as ledger:
        account = ledger.account("attacker", 9_000)
        with account.charging(record.spent + 7):
            pass
    assert read_transfer_set(tmp_path, "other.sqlite").missing == 7
    (tmp_path / LEDGER_FILE).unlink()
    assert read_transfer_set(tmp_path).missing is None, "where the account is lost, nobody knows"


@pytest.mark.parametrize("place", ["magic", "count", "cut"])
def test_a_finished_run_whose_queries_are_not_all_there_is_an_error(
    tmp_path: Path, place: str
) -> None:
    """Each of these looks like the torn tail of a run that crashed."""
    record = copy_model(tiny_config(**KEPT), tiny_target(), tmp_path)
    path = tmp_path / "transfer" / "000000.queries"
    content = bytearray(path.read_bytes())
    _, n, _, _ = HEADER.unpack_from(content)
    second = HEADER.size + n * read_layout(path.parent).row_bytes
    if place == "cut":
        del content[second:]
    else:
        content[second + {"magic": 0, "count": 7}[place]] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(RunError, match=rf"transfer is damaged: {n} of {record.spent:,} queries"):
        read_transfer_set(tmp_path)


def test_a_set_that_is_still_added_to_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    stop = Stop()
    record = copy_model(
        tiny_config(**KEPT), tiny_target(), tmp_path, stop=stop, watcher=StopAt(stop, 1000)
    )
    path = tmp_path / "transfer" / "000000.queries"
    path.write_bytes(path.read_bytes()[:-1])
    assert 0 < len(read_transfer_set(tmp_path)) < record.spent


def test_no_room_on_the_disk_is_said_before_the_first_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 10_000))
    victim = Keeping()
    with pytest.raises(RunError, match=r"takes 0\.0 GB.*Make room"):
        copy_model(tiny_config(**KEPT), tiny_target(victim), tmp_path)
    assert victim.count == 0


def test_how_much_room_is_needed_and_left_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row takes 64 + 4 + 16 bytes, and one in twenty more is asked for than the rows take."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**11, 10**11, 2_500_000_000))
    config = tiny_config(**KEPT, budget=30_000_000)  # 2.52 GB, and 2.65 GB with what is spare
    with pytest.raises(RunError, match=r"takes 2\.6 GB, and .*transfer has 2\.5 GB left"):
        copy_model(config, tiny_target(), tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**6, 10**6, 260_000))
    with pytest.raises(RunError, match="Make room"):  # 252 kB, and 265 kB with what is spare
        copy_model(tiny_config(**KEPT), tiny_target(), tmp_path / "small")


def test_a_run_that_goes_on_needs_room_for_the_rest_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Stop()
    copy_model(tiny_config(**KEPT), tiny_target(), tmp_path, stop=stop, watcher=StopAt(stop, 2000))
    # A row takes 64 + 4 + 16 bytes: 84 kB are left to record, of 252 kB in all.
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 150_000))
    assert copy_model(tiny_config(**KEPT), tiny_target(), tmp_path).finished


def work(folder: Path) -> None:
    torch.set_num_threads(1)
    config = tiny_config(record_queries="bytes", budget=20_011, evaluations=40)
    copy_model(config, tiny_target(), folder)


@pytest.mark.slow
def test_killed_while_writing(tmp_path: Path) -> None:
    # A fork server that has imported PyTorch: a fresh process costs 0.1 s instead of 5.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torch._dynamo", "tests.runner.test_transfers"])
    folder, killed = tmp_path / "run", 0
    for wait in (0.02, 0.2, 0.4):
        before = _bytes(folder)
        process = context.Process(target=work, args=(folder,))
        process.start()
        while _bytes(folder) <= before and process.is_alive():
            time.sleep(0.005)
        process.join(timeout=wait)
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.join()
        found = read_transfer_set(folder)
        assert sum(len(call.labels) for call in found.calls()) == len(found)
        assert found.missing is not None
        assert found.missing >= 0
    assert killed == 3, "the run must outlast the kills"

    process = context.Process(target=work, args=(folder,))
    process.start()
    process.join(timeout=250)
    assert process.exitcode == 0
    record, found = read_record(folder), read_transfer_set(folder)
    assert record.finished
    assert record.transfer is not None
    assert record.transfer.queries == len(found) <= record.spent <= record.budget
    assert record.transfer.missing == found.missing == record.spent - len(found)
    assert found.torn_bytes == 0


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("transfer/*.queries"))


def test_the_python_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "transfer-set.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    record = copy_model(tiny_config(**KEPT), tiny_target(), tmp_path / "runs" / "mine")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "transfer-set.md", "exec"), {"__name__": "page"})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{record.spent} queries, and 0 charged but not kept"
    assert len(lines) == 1 + -(-record.spent // 1024)
