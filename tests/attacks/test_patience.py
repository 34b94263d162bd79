"""How long a student learns at each budget."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from copycost.attacks.frugal import Frugal
from copycost.attacks.patience import STEPS, steadied, suited_lessons
from copycost.attacks.random_noise import RandomNoise
from copycost.engine import Engine
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.types import InputSpec


@pytest.mark.parametrize("budget", [3_000, 6_000, 24_000, 100_000, 1_000_000])
def test_a_student_takes_as_many_steps_at_any_budget(budget):
    batch, steps = suited_lessons(budget)
    assert budget / batch * steps == pytest.approx(STEPS, rel=0.05)


def test_batches_grow_with_the_square_root_of_the_budget():
    sizes = [suited_lessons(budget)[0] for budget in (6_000, 24_000, 96_000, 384_000)]
    assert sizes == [32, 64, 128, 256]


@pytest.mark.parametrize("kind", [Frugal, RandomNoise])
@pytest.mark.parametrize(("net", "steady"), [("lenet", True), ("gap-cnn", False)])
def test_only_students_without_norms_are_kept_steady(kind, net, steady):
    student = build(ARCHITECTURES[net], InputSpec((1, 8, 8)), 4, seed=3)
    player = kind(clip=1e-3, student_momentum=0).student_player(student, Engine("cpu"))
    before = [weight.detach().clone() for weight in student.parameters()]
    player.descend(player(torch.rand(8, 1, 8, 8)).square().sum())
    assert (float(player.gradient_norm()) <= 1.001e-3) is steady
    now = torch.cat([weight.detach().flatten() for weight in student.parameters()])
    moved = float((now - torch.cat([weight.flatten() for weight in before])).norm())
    decay = 5e-4 * float(now.norm())  # of the weights, which no bound holds
    assert (moved <= 0.1 * (1.1e-3 + decay)) is steady
    assert kind().student_player(student, Engine("cpu")).clip == 0


@pytest.mark.parametrize(
    ("budget", "lessons"),
    [
        (100, (16, 128)),  # both bounds: 4 images, 1,920 steps
        (6_000, (32, 64)),
        (10_000, (32, 38)),  # 41 images to the nearest power of 2; 38.4 steps
        (10_000_000, (512, 4)),  # both bounds: 1,024 images, 0.6 steps
    ],
)
def test_lessons_by_hand(budget, lessons):
    assert suited_lessons(budget) == lessons


@pytest.mark.parametrize(
    "norm",
    [nn.BatchNorm2d(4), nn.InstanceNorm2d(4), nn.GroupNorm(2, 4), nn.LayerNorm(4), nn.RMSNorm(4)],
)
def test_any_norm_keeps_a_student_steady_enough(norm):
    player: Any = SimpleNamespace(network=nn.Sequential(nn.Conv2d(1, 4, 3), norm), clip=0.0)
    assert steadied(player, 2.0).clip == 0.0
    player.network = nn.Conv2d(1, 4, 3)
    assert steadied(player, 2.0).clip == 2.0
