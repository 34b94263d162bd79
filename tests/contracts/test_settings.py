"""No setting of an attack is dead: each, changed alone, changes what becomes of a short run."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from tests.contracts.test_attacks import make, run
from torch import Tensor

from copycost.attacks import ATTACKS
from copycost.attacks.base import Attack
from copycost.oracle.meter import CountedOracle
from copycost.testing import tiny_victim

OTHERS: dict[str, tuple[Any, ...]] = {
    "schedule": ("steps:0.2:0.5",),
    "loss": ("l2",),
    "label_loss": ("kl",),
    "recovery": ("minimum",),
    "floor": (0.05,),
    "generator": ("mlp",),
    "estimator": ("central",),
    "epsilon": (0.5,),
    "generator_mode": ("eval",),
    "generator_sees": ("image",),
    "like": ("shapes",),
    "sources": ("untrained",),
    "distribution": ("normal",),
    "rewards": (["loss"],),
    "strategy": ("random",),
    "direction": ("random-class",),
    "reservoir": (16,),
    "width": (4,),
    "threshold": (0.05, 1.0),
}
"""Values to try where no number can be made of the default."""
SWITCHES: dict[tuple[str, str], dict[str, Any]] = {
    **{("frugal", name): {"generated": True} for name in
       ("generator", "generator_lr", "latent", "width", "generator_steps", "diversity")},
    ("frugal", "as_asked"): {"flip": True},
    **{("dfms-hl", name): {"like": "shapes"} for name in ("epochs", "gan_steps", "proxies_asked")},
    ("dual-student", "average_momentum"): {"average_every": 1},
}  # fmt: skip
"""What must be on for a setting to matter."""
TOLD_ELSEWHERE = {
    "memory_mib": "a bound that a short run does not reach: test_replay, test_pool_methods",
    "rows": "of inputs that are no images: test_frugal",
    "texts": "of inputs that are tokens: test_frugal",
    "grey_every": "of images in colour: test_disguide",
    "student_mode": "the tiny student has no batch norm: test_dfme, test_maze",
}
LABELS_ALONE = ("dfms-hl", "dfms-hl-proxy", "ideal", "qedg")
"""Learn from labels at every access level, so that nothing is recovered."""
RARELY_ZERO = (*LABELS_ALONE, "disguide", "dual-student", "frugal")
"""Their runs here meet no probability so small that the floor counts."""

CASES = [
    (name, field.name)
    for name in ATTACKS
    for field in dataclasses.fields(ATTACKS[name])
    if field.name not in TOLD_ELSEWHERE
    and not (field.name == "recovery" and name in LABELS_ALONE)
    and not (field.name == "floor" and name in RARELY_ZERO)
]


def others(name: str, value: Any) -> tuple[Any, ...]:
    if name in OTHERS:
        return OTHERS[name]
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return (value + 1, max(1, value // 2), 3 * value)
    return (0.5 * value if value else 0.3, 0.2)


def outcome(attack: Attack, access: str) -> Tensor:
    """All weights at the end of a run, and what it spent."""
    oracle = CountedOracle(tiny_victim(), access=access, budget=330)
    state = run(attack, oracle)
    networks = [state.judged, *(player.network for player in state.players.values())]
    parts = [p.detach().flatten() for network in networks for p in network.parameters()]
    return torch.cat([*parts, torch.tensor([float(oracle.spent)])])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "setting"), CASES)
def test_a_setting_matters(name: str, setting: str) -> None:
    on = SWITCHES.get((name, setting), {})
    value = getattr(make(name, **on), setting)
    for access in ("probabilities", "label"):
        before = outcome(make(name, **on), access)
        for other in others(setting, value):
            after = outcome(make(name, **on | {setting: other}), access)
            if before.shape != after.shape or not torch.equal(before, after):
                return
    pytest.fail(f"{setting} of {name} changed nothing")
