"""What the costs of honesty are made of."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from copycost.benchmark import honesty, recording
from copycost.benchmark.honesty import CALLS, QUERIES, STEP_SECONDS, account_seconds, overhead
from copycost.benchmark.plan import Plan
from copycost.benchmark.recording import transfer_cost, writing_rate
from copycost.oracle.ledger import Ledger
from copycost.oracle.transfer.reader import TransferSet
from copycost.runner.record import Point
from copycost.runner.transfers import read_transfer_set
from copycost.runner.watchers import NoDisplay

CPU = torch.device("cpu")


class Busy:
    """A display that takes a known share of a processor."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @contextmanager
    def run(self, config, place):
        yield self

    def step(self, spent: int) -> None:
        until = time.process_time() + self.seconds
        while time.process_time() < until:
            pass

    def point(self, point: Point) -> None:
        pass


def test_the_step_is_the_one_that_is_claimed() -> None:
    assert (QUERIES, CALLS[0]) == (1792, 512)
    assert pytest.approx(0.0448) == STEP_SECONDS


def test_shares_follow_from_seconds(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(honesty, "account_seconds", lambda folder: 0.001)
    monkeypatch.setattr(honesty, "check_seconds", lambda device: 0.002)
    monkeypatch.setattr(honesty, "bookkeeping_seconds", lambda plan, engine, folder: 0.003)
    costs = {"quiet": 0.004, "loud": 0.005}
    monkeypatch.setattr(honesty, "display_seconds", lambda plan, display: costs[display])
    found = overhead(plan, {name: name for name in costs}, tmp_path)  # type: ignore[misc]
    assert found.parts["range check"].share == pytest.approx(0.002 / 0.0448)
    assert set(found.parts) == {
        "account",
        "range check",
        "bookkeeping",
        "display: quiet",
        "display: loud",
    }
    # The dearer display, and the check is no part of the three that are claimed together.
    assert found.honesty == pytest.approx((0.001 + 0.003 + 0.005) / 0.0448)


def test_the_account_is_a_real_one_charged_in_full(tmp_path: Path) -> None:
    assert account_seconds(tmp_path, budget=1792 * 40) > 0
    with Ledger(tmp_path / "account.sqlite") as ledger:
        account = ledger.account("attacker", 1792 * 40)
        assert (account.spent, account.lost) == (1792 * 40, 0)
        (rows,) = account._db.execute("SELECT COUNT(*) FROM reservations").fetchone()
    assert rows == 40, "settled at each of 50 evaluations, so far as steps allow"


def test_the_time_of_a_display_is_found(plan: Plan) -> None:
    busy = honesty.display_seconds(replace(plan, seconds=0.2), Busy(0.01))
    assert 0.008 < busy < 0.02


def test_bookkeeping_and_check_run_for_real(plan: Plan, tmp_path: Path) -> None:
    from copycost.engine import Engine

    assert honesty.bookkeeping_seconds(plan, Engine("cpu"), tmp_path, steps=5) > 0
    assert honesty.check_seconds(CPU, steps=1) > 0


def test_the_rate_of_writing_counts_what_is_on_the_disk(tmp_path: Path) -> None:
    began = time.perf_counter()
    images, size = writing_rate(tmp_path, CPU, seconds=0.01)
    passed = time.perf_counter() - began
    found = TransferSet(tmp_path)
    assert len(found) <= images * passed
    assert len(found) % QUERIES == 0
    assert size / images == pytest.approx(3 * 32 * 32 + 4 + 4 * 10, rel=0.01)


def test_the_slow_down_compares_a_run_that_records_with_one_that_does_not(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "writing_rate", lambda folder, device, seconds: (1.0, 2.0))
    cost = transfer_cost(plan, NoDisplay(), tmp_path)
    assert (cost.images_per_second, cost.bytes_per_second) == (1.0, 2.0)
    low, high = cost.slow_down_range
    assert low <= cost.slow_down <= high < 1
    kept = read_transfer_set(tmp_path / "kept" / "1")
    assert len(kept) > 0
    assert kept.missing == 0
    assert len(list(tmp_path.glob("bare-*/1/record.json"))) == plan.repetitions
    assert not list(tmp_path.glob("bare-*/1/transfer"))
