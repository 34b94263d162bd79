"""A pool of noise, and a loop over an attack's work, for the tests of attacks with pools."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from copycost.attacks import ATTACKS
from copycost.attacks.base import Attack
from copycost.attacks.pool_attack import PoolAttack
from copycost.engine import Engine
from copycost.noise import Noise
from copycost.oracle.base import Oracle
from copycost.oracle.meter import CountedOracle
from copycost.pool import Pool
from copycost.runner.extract import advance
from copycost.settings import read_settings
from copycost.testing import TINY, SpyVictim, TinyNet, tiny_victim
from copycost.types import InputSpec
from copycost.victims.base import Victim

POOLED = [name for name, attack in ATTACKS.items() if issubclass(attack, PoolAttack)]
SMALL = {
    "batch_size": 16,
    "epochs": 2,
    "last_epochs": 3,
    "rounds": 3,
    "seeds": 20,
    "groups": 5,
    "ratio": 2,
}


class Seen(SpyVictim):
    """Keeps every input."""

    def __init__(self, victim: Victim | None = None) -> None:
        super().__init__(victim or tiny_victim())
        self.inputs: list[Tensor] = []

    def answer(self, x: Tensor) -> Tensor:
        self.inputs.append(x.clone())
        return super().answer(x)


def noise(count: int = 300, seed: int = 4) -> Pool:
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 1, 8, 8), generator=random, dtype=torch.uint8)
    return Pool(images, TINY, "noise")


def make(name: str, **more: Any) -> Any:
    kind = ATTACKS[name]
    known = {key: value for key, value in SMALL.items() if key in kind.__dataclass_fields__}
    return read_settings(kind, known | more)


def oracle(budget: int, access: str = "probabilities", victim: Any = None) -> CountedOracle:
    return CountedOracle(victim or tiny_victim(), access=access, budget=budget, k=2)


def begin(attack: Attack, asked: Oracle, pool: Pool | None = None, seed: int = 1) -> Any:
    net = TinyNet(TINY, asked.classes, seed=5)
    return attack.start_with(pool or noise(), net, asked, Engine("cpu"), seed)


def finish(attack: Attack, state: Any, asked: Oracle, until: Any = lambda: False) -> int:
    """Go on to the end, or until a condition holds; returns the pieces of work done."""
    done = 0
    while not attack.done(state, asked) and not until():
        advance(attack, state, asked)
        done += 1
    return done


def weights(state: Any) -> Tensor:
    return torch.cat([p.detach().flatten() for p in state.judged.parameters()])


def descents(player: Any) -> list[float]:
    """The losses that a player is given to descend; it stays where it is."""
    losses: list[float] = []

    def descend(loss: Tensor, gradient: Tensor | None = None) -> None:
        losses.append(float(loss.detach()))

    player.descend = descend
    return losses


def noted_views(monkeypatch: pytest.MonkeyPatch, maker: str) -> list[tuple[int, float, bool]]:
    """Of how many images `maker` is to make views, and how; it gives their negatives."""
    asked: list[tuple[int, float, bool]] = []

    def view(x: Tensor, spec: InputSpec, random: Noise, shift: float, flip: bool) -> Tensor:
        asked.append((len(x), shift, flip))
        return 1 - x

    monkeypatch.setattr(f"copycost.attacks.{maker}", view)
    return asked
