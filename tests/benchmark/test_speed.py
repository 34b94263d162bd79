"""What is timed is a real run; what is reported follows from what was timed."""

from __future__ import annotations

import copy
import time
from contextlib import contextmanager
from dataclasses import replace
from mmap import mmap
from pathlib import Path

import pytest
import torch

from copycost.benchmark import speed as speed_module
from copycost.benchmark import turns as turns_module
from copycost.benchmark.memory import PeakMemory
from copycost.benchmark.operations import flops_per_query, plain_flops_per_query
from copycost.benchmark.peak import matrix_peak
from copycost.benchmark.plan import Plan, plain_loop, random_target, random_victim
from copycost.benchmark.speed import measure, plain_window
from copycost.benchmark.turns import WARM_STEPS, Turns, Window, take_turns
from copycost.convolutions import fewer_products
from copycost.errors import ConfigError
from copycost.oracle.ledger import Ledger
from copycost.runner.record import Point
from copycost.runner.watchers import NoDisplay
from copycost.testing import TinyNet

CPU = torch.device("cpu")


class Clock:
    """Time that passes only when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)


class Display:
    """Counts what it is shown."""

    def __init__(self) -> None:
        self.open = False
        self.shown: list[int] = []
        self.windows = 0

    @contextmanager
    def show(self):
        self.open, self.windows = True, self.windows + 1
        yield self
        self.open = False

    def step(self, spent: int) -> None:
        self.shown.append(spent)

    def point(self, point: Point) -> None:
        pass


def test_windows_count_the_steps_between_their_ends(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, display, rivals = Clock(monkeypatch), Display(), []

    def rival() -> Window:
        assert not display.open, "the display would slow the rival down"
        rivals.append(clock.now)
        clock.now += 100
        return Window(10.0, 1)

    turns = Turns(replace(plan, seconds=2.0), CPU, display.show, rival, repetitions=2)
    spent, steps = 0, 0
    while not turns.stop.reason:
        clock.now += 0.5
        spent, steps = spent + 7, steps + 1
        turns.step(spent)
    # The first window takes four steps after the warm-up, the second four after one step.
    assert [ours.rate for ours, _ in turns.pairs] == [14.0, 14.0]
    assert [theirs.rate for _, theirs in turns.pairs] == [10.0, 10.0]
    assert steps == WARM_STEPS + 4 + 1 + 4
    assert len(rivals) == display.windows == 2
    assert len(display.shown) == 8


def test_a_run_that_ends_before_its_window_is_refused(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("copycost.benchmark.plan.BUDGET", 1000)
    target = random_target(plan.setting, CPU)
    endless = replace(plan, seconds=1000.0)
    with pytest.raises(ConfigError, match="a window must end within"):
        take_turns(endless, target, lambda: Window(1, 1), NoDisplay(), tmp_path, CPU)


def test_what_is_timed_is_a_run_with_its_account_on_disk(plan: Plan, tmp_path: Path) -> None:
    target = random_target(plan.setting, CPU)
    pairs, record = take_turns(plan, target, lambda: Window(5.0, 1), NoDisplay(), tmp_path, CPU)
    assert len(pairs) == 3
    assert all(ours.rate > 0 and theirs.rate == 5.0 for ours, theirs in pairs)
    assert record.ended == turns_module.REASON
    assert record.spent % (16 * 4) == 0
    assert [point.queries for point in record.curve] == [0], "evaluated in a window"
    with Ledger(tmp_path / "1" / "ledger.sqlite") as ledger:
        assert ledger.account("attacker", record.budget).spent == record.spent


def test_a_speed_is_what_its_repetitions_say(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_module, "matrix_peak", lambda device, precision: 1e9)
    result = measure(plan, NoDisplay())
    ours = sorted(r.queries_per_second for r in result.repetitions)
    ratios = sorted(r.ratio for r in result.repetitions)
    assert len(ours) == 3
    assert result.queries_per_second == ours[1]
    assert (result.ratio, result.ratio_range) == (ratios[1], (ratios[0], ratios[2]))
    assert result.share_of_peak == pytest.approx(result.flops_per_query * ours[1] / 1e9)
    assert result.flops_per_query < (result.plain_flops_per_query or 0)
    assert result.queries_per_step == 16 * 4
    assert result.peak_memory_bytes > 10 * 2**20
    assert result.arithmetic["training"] == "float32"


def test_the_plain_window_counts_whole_iterations(plan: Plan) -> None:
    loop = plain_loop(plan, TinyNet(classes=10), CPU)
    began = time.perf_counter()
    window = plain_window(loop, 0.2, CPU, held=0)
    passed = time.perf_counter() - began
    counted = (loop.iterations - 1) * loop.queries
    assert counted / passed <= window.rate <= counted / 0.2


def test_flops_are_counted_forward_and_backward(plan: Plan) -> None:
    class Linear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(64, 10, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            answer: torch.Tensor = self.linear(x.flatten(1))
            return answer

    def counted(victim: torch.nn.Module) -> float:
        return plain_flops_per_query(plain_loop(plan, victim, CPU))

    # A victim only goes forward: one product of 64 by 10 for each query.
    nothing = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.AdaptiveAvgPool1d(10))
    assert counted(Linear()) - counted(nothing) == pytest.approx(2 * 64 * 10)

    # A student's three products a training step: forward, for its weights, and not for the
    # inputs; one forward a point of the estimate. 2 of 4 queries an image are of each kind.
    loop = plain_loop(plan, nothing, CPU)
    loop.student = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.AdaptiveAvgPool1d(10))
    loop.student.append(torch.nn.Linear(10, 10, bias=False))
    loop.student_optimizer = torch.optim.SGD(loop.student.parameters(), lr=0.1)
    with_student = plain_flops_per_query(loop)
    bare = plain_loop(plan, nothing, CPU)
    bare.student = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.AdaptiveAvgPool1d(10), Scale())
    bare.student_optimizer = torch.optim.SGD(bare.student.parameters(), lr=0.1)
    assert with_student - plain_flops_per_query(bare) == pytest.approx((2 * 1 + 2 * 2) / 4 * 200)


@pytest.mark.parametrize(("precision", "spares"), [("float32", True), ("bfloat16", False)])
def test_what_the_engine_spares_is_not_counted(plan: Plan, precision: str, spares: bool) -> None:
    plan = replace(plan, precision=precision, compile="on")
    victim = random_victim(plan.setting, CPU)
    ours = flops_per_query(plan, victim)
    loop = plain_loop(plan, copy.deepcopy(victim.module), CPU)
    plain = plain_flops_per_query(loop)
    assert ours == plain or spares
    if spares:
        loop.generator = fewer_products(loop.generator)
        assert ours == plain_flops_per_query(loop) < plain
    assert ours == flops_per_query(replace(plan, batch_size=8), victim), "the same for any batch"


class Scale(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_peak_is_work_over_time(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("copycost.benchmark.peak._seconds", lambda a, out: 0.5)
    assert matrix_peak(CPU, precision, size=100) == 2 * 100**3 / 0.5


def test_memory_sees_what_was_held_and_let_go() -> None:
    memory = PeakMemory(CPU)
    memory.start()
    before = memory.peak()
    # Straight from the system: the heap may hold as much that earlier tests have let go.
    with mmap(-1, 128 * 2**20) as held:
        held.write(bytes(len(held)))
    assert memory.peak() - before > 100 * 2**20
    if "VmHWM" in memory.method:
        memory.start()
        assert memory.peak() - before < 100 * 2**20


def test_a_plan_that_cannot_be_measured_says_everything(plan: Plan) -> None:
    broken = replace(plan, repetitions=0, seconds=0.0, precision="float8", batch_size=1)
    with pytest.raises(ConfigError) as raised:
        broken.check()
    text = str(raised.value)
    for part in ("repetitions", "seconds", "precision", "batch_size"):
        assert part in text
    with pytest.raises(ConfigError, match="too large"):
        replace(plan, batch_size=10**6).check()
