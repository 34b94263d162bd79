"""Attacks with several students and with memories in every arithmetic there is."""

from __future__ import annotations

import pytest
import torch

from copycost.attacks import ATTACKS
from copycost.attacks.base import Attack
from copycost.engine import Engine
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.oracle.meter import CountedOracle
from copycost.settings import read_settings
from copycost.testing import tiny_victim
from copycost.types import InputSpec

COLOUR = InputSpec((3, 8, 8))
SMALL = {"batch_size": 8, "width": 8, "latent": 8, "student_lr": 0.01}


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
@pytest.mark.parametrize("name", ["disguide", "dual-student", "maze"])
def test_all_players_learn_and_stay_finite(name, precision):
    attack: Attack = read_settings(ATTACKS[name], SMALL)
    oracle = CountedOracle(tiny_victim(spec=COLOUR), access="probabilities", budget=10**6)
    student = build(ARCHITECTURES["gap-cnn"], COLOUR, 4, seed=3)
    s = attack.start(student, oracle, Engine("cpu", precision), seed=1)
    before = {name: flat(player.network) for name, player in s.players.items()}
    for _ in range(2):
        losses = attack.step(s, oracle, 8)
        assert all(bool(loss.isfinite()) for loss in losses.values())
    for name_, player in s.players.items():
        after = flat(player.network)
        assert bool(after.isfinite().all())
        assert not torch.equal(after, before[name_])


def flat(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in network.parameters()])
