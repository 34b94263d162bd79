"""A player's steps and what it keeps of them, by hand."""

from __future__ import annotations

import torch
from torch import nn

from copycost.attacks.average import WeightAverage
from copycost.attacks.state import Player, State
from copycost.engine import Engine
from copycost.schedules import Constant


def player(*weights: float) -> Player:
    """One linear layer with these weights, which falls by its gradient in each step."""
    net = nn.Linear(len(weights), 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([weights]))
    return Player(Engine("cpu"), net, torch.optim.SGD(net.parameters(), lr=1.0), Constant())


def step(learner: Player, *slopes: float) -> None:
    learner.descend(learner(torch.tensor([slopes])).sum())


def weights(learner: Player) -> list[float]:
    (weight,) = learner.network.parameters()
    return weight.flatten().tolist()


def test_each_step_follows_its_own_gradient_alone() -> None:
    learner = player(10.0, 20.0)
    step(learner, 3.0, 4.0)
    assert weights(learner) == [7.0, 16.0]
    step(learner, 1.0, 0.0)
    assert weights(learner) == [6.0, 16.0]
    assert float(learner.gradient_norm()) == 1


def test_a_player_that_goes_on_knows_its_steps_and_its_last_gradient() -> None:
    learner, resumed = player(10.0, 20.0), player(0.0, 0.0)
    step(learner, 1.0, 1.0)
    step(learner, 3.0, 4.0)
    resumed.restore(learner.state())
    assert resumed.updates == 2
    assert float(resumed.gradient_norm()) == 5
    assert weights(resumed) == [6.0, 15.0]
    step(resumed, 0.0, 2.0)
    assert resumed.updates == 3
    assert float(resumed.gradient_norm()) == 2


def test_an_attack_that_goes_on_has_its_averages_and_its_next_random_numbers() -> None:
    whole, resumed = (
        State(
            learner.engine,
            learner,
            learner.engine.random(seed),
            averages={"student": WeightAverage(learner.network, 0.5)},
        )
        for seed, learner in enumerate((player(10.0, 20.0), player(0.0, 0.0)))
    )
    for _ in range(2):
        step(whole.student, 4.0, 8.0)
        whole.averages["student"].follow(whole.student.network)
    whole.normal(3)
    resumed.restore(whole.state())
    # A copy of the first step's weights, then half way to the second's.
    assert [w.tolist() for w in resumed.judged.parameters()] == [[[4.0, 8.0]]]
    assert torch.equal(resumed.normal(3), whole.normal(3))
