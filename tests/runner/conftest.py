from __future__ import annotations

import torch

from copycost.datasets.base import Labelled
from copycost.runner.config import RunConfig
from copycost.runner.target import Target
from copycost.testing import tiny_victim
from copycost.victims.base import Victim

SMALL = {"batch_size": 32, "width": 8, "latent": 8, "student_steps": 2}


def tiny_target(victim: Victim | None = None) -> Target:
    """A tiny victim with held-out data labelled, mostly, by itself."""
    victim = victim or tiny_victim()
    random = torch.Generator().manual_seed(3)
    inputs = torch.randint(0, 256, (120, 1, 8, 8), generator=random, dtype=torch.uint8)
    labels = tiny_victim()(inputs.float() / 255).argmax(1)
    labels[:12] = (labels[:12] + 1) % 4
    return Target(victim, Labelled(inputs, labels), "noise", "tiny")


def tiny_config(**more: object) -> RunConfig:
    """A run of about a second."""
    values: dict[str, object] = {
        "attack": "dfme",
        "settings": SMALL,
        "student": "lenet",
        "budget": 3001,
        "evaluations": 4,
        "device": "cpu",
    }
    return RunConfig.read(values | more)
