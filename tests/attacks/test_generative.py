"""A student's images are asked all at once, and are those that one batch after another would be."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.attacks.pools import descents
from torch import Tensor, nn

from copycost.attacks.dfme import DFME
from copycost.attacks.dfms_hl import DFMSHL
from copycost.attacks.disguide import DisGUIDE
from copycost.attacks.dual_student import DualStudent
from copycost.attacks.frugal import Frugal
from copycost.attacks.generative import Generative
from copycost.attacks.ideal import IDEAL
from copycost.attacks.maze import MAZE
from copycost.attacks.replay import Batch, Replay
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.flags import generator_collapsed
from copycost.gradients.central import central_difference
from copycost.oracle.base import Oracle
from copycost.oracle.meter import CountedOracle, Meter
from copycost.oracle.rehearsal import Rehearsal
from copycost.runner.extract import advance
from copycost.schedules import Steps
from copycost.testing import SpyVictim, TinyNet, tiny_victim
from copycost.types import Access, InputSpec

SPEC = InputSpec((3, 8, 8))
SMALL: dict[str, Any] = {"batch_size": 8, "width": 8, "latent": 8}
REHEARSAL = Rehearsal(SPEC, 4, Access.PROBABILITIES)


def begin(attack: Generative) -> tuple[State, Oracle, SpyVictim]:
    spy = SpyVictim(tiny_victim(spec=SPEC))
    oracle = CountedOracle(spy, access="probabilities", budget=10_000)
    return attack.start(TinyNet(SPEC, 4, seed=5), oracle, Engine("cpu"), seed=1), oracle, spy


@pytest.mark.parametrize("attack", [DFME(**SMALL), DisGUIDE(**SMALL)], ids=["plain", "greyed"])
@pytest.mark.parametrize("n", [8, 100])
def test_batches_asked_together_are_those_asked_one_by_one(attack: Generative, n: int) -> None:
    s, oracle, spy = begin(attack)
    together = attack.asked(s, oracle, n, 3)
    s, oracle, apart = begin(attack)
    noise = [s.normal(n, attack.latent) for _ in range(3)]
    with torch.no_grad(), attack.feeding(s) as generator:
        one_by_one = [attack.pictures(generator(z), SPEC, s.random) for z in noise]
    assert spy.batches == [3 * n]
    for ours, theirs in zip(together, one_by_one, strict=True):
        # Small ones are made together as well, where a product of more rows may round otherwise.
        assert n == 8 or torch.equal(ours.inputs, theirs)
        torch.testing.assert_close(ours.inputs, theirs)
        torch.testing.assert_close(ours.answer.scores, oracle(theirs).scores)
    assert apart.batches == [n, n, n]
    assert attack.asked(s, oracle, n, 0) == []


@pytest.mark.parametrize(
    ("attack", "batches"),
    [
        (DFME(**SMALL, student_steps=3, directions=2), [24, 24]),
        (MAZE(**SMALL, student_steps=4, directions=2), [24, 24]),
        (DualStudent(**SMALL, student_steps=3), [24]),
        (DisGUIDE(**SMALL, student_steps=3), [24]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_step_asks_once_for_the_estimate_and_once_for_the_students(
    attack: Generative, batches: list[int]
) -> None:
    s, oracle, spy = begin(attack)
    attack.step(s, oracle, 8)
    assert spy.batches == batches
    assert s.student.updates >= 3


@pytest.mark.parametrize(
    ("attack", "cost"),
    [
        (DFME(**SMALL, generator_steps=3, student_steps=2, directions=2), 3 * 3 + 2),
        (
            DFME(
                **SMALL,
                generator_steps=3,
                student_steps=2,
                directions=2,
                estimator=central_difference,
            ),
            3 * 4 + 2,
        ),
        (DisGUIDE(**SMALL, generator_steps=3), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_generator_steps_as_often_as_told(attack: Generative, cost: int) -> None:
    s, oracle, spy = begin(attack)
    attack.step(s, oracle, 8)
    assert s.need_generator().updates == 3
    assert spy.count == 8 * attack.queries_per_image == 8 * cost


def test_the_generator_follows_the_schedule() -> None:
    s, _, _ = begin(DFME(**SMALL, schedule=Steps((0.5,), 0.1), generator_lr=0.01))
    s.need_generator().set_time(0.9)
    (group,) = s.need_generator().optimizer.param_groups
    assert group["lr"] == pytest.approx(0.001)


@pytest.mark.parametrize("kind", [MAZE, DisGUIDE])
def test_replayed_batches_are_as_large_as_fresh_ones(
    kind: type[MAZE | DisGUIDE], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, whole = [], Replay.draw

    def draw(memory: Replay, n: int, *how: Any) -> Batch:
        drawn.append(n)
        return whole(memory, n, *how)

    monkeypatch.setattr(Replay, "draw", draw)
    attack = kind(**SMALL, replay_steps=3)
    s, oracle, _ = begin(attack)
    attack.step(s, oracle, 6)
    assert drawn == [6, 6, 6]


@pytest.mark.parametrize("kind", [DFME, MAZE, DisGUIDE, IDEAL, DFMSHL])
def test_students_descend_the_mean_gap(
    kind: type[Generative], monkeypatch: pytest.MonkeyPatch
) -> None:
    def miss(self: Generative, scores: Tensor, answer: Any) -> Tensor:
        return torch.full((len(scores),), 2.0)

    monkeypatch.setattr(kind, "miss", miss)
    attack = kind(**SMALL)
    s, oracle, _ = begin(attack)
    students = [player for name, player in s.players.items() if name != "generator"]
    losses = [descents(player) for player in students]
    for _ in range(3):
        advance(attack, s, oracle)
    assert all(set(found) == {2.0} for found in losses)


@pytest.mark.parametrize(
    ("attack", "evaluating"),
    [
        (DFME(**SMALL), False),
        (DFME(**SMALL, generator_mode="eval"), True),
        (MAZE(**SMALL), False),
        (DualStudent(**SMALL), True),
        (DisGUIDE(**SMALL, grey_every=0), True),
        (Frugal(**SMALL, generated=True), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_looked_at_is_what_students_are_fed_with(
    attack: Generative, evaluating: bool
) -> None:
    """A last norm that has gone wrong makes one image in evaluation mode, and none the wiser."""
    s, oracle, _ = begin(attack)
    attack.step(s, oracle, 8)
    *_, norm = (m for m in s.need_generator().network.modules() if isinstance(m, nn.BatchNorm2d))
    assert norm.running_var is not None
    norm.running_var.fill_(1e12)
    spread = attack.diagnose(s, REHEARSAL)["generator/spread"]
    assert (spread < 1e-3) == evaluating
    assert ("generator-collapsed" in [f.name for f in generator_collapsed(spread)]) == evaluating
    if not isinstance(attack, Frugal):  # whose samples are of other kinds as well
        assert (float(attack.samples(s, oracle, 8).std(dim=0).mean()) < 1e-3) == evaluating


def test_the_spread_is_a_share_of_the_range() -> None:
    found = []
    for low, high in ((0.0, 1.0), (-100.0, 300.0)):
        spec, attack = InputSpec((3, 8, 8), low=low, high=high), DFME(**SMALL)
        meter = Meter(tiny_victim(spec=spec), access="probabilities", budget=10_000)
        s = attack.start(TinyNet(spec, 4, seed=5), meter.oracle, Engine("cpu"), seed=1)
        found.append(attack.diagnose(s, meter.rehearsal)["generator/spread"])
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    assert found[0] > 0.01


def test_one_image_many_times_has_no_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.rand(SPEC.shape)
    monkeypatch.setattr(DisGUIDE, "made", lambda self, s, spec, n: image.expand(n, *SPEC.shape))
    attack = DisGUIDE(**SMALL)
    s, _, _ = begin(attack)
    assert attack.diagnose(s, REHEARSAL)["generator/spread"] == pytest.approx(0, abs=1e-6)
