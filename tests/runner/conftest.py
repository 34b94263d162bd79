from __future__ import annotations

import torch

from copycost.datasets.base import Labelled
from copycost.nets.seeded import build
from copycost.nets.text import BagOfTokens
from copycost.runner.config import RunConfig
from copycost.runner.target import Target
from copycost.testing import tiny_victim
from copycost.types import InputSpec, Modality
from copycost.victims.base import Victim
from copycost.victims.module import ModuleVictim

TEXTS = InputSpec((8,), modality=Modality.TEXT, vocabulary=40)
SMALL = {"batch_size": 32, "width": 8, "latent": 8, "student_steps": 2}


def tiny_target(victim: Victim | None = None) -> Target:
    """A tiny victim with held-out data labelled, mostly, by itself."""
    victim = victim or tiny_victim()
    random = torch.Generator().manual_seed(3)
    inputs = torch.randint(0, 256, (120, 1, 8, 8), generator=random, dtype=torch.uint8)
    labels = tiny_victim()(inputs.float() / 255).argmax(1)
    labels[:12] = (labels[:12] + 1) % 4
    return Target(victim, Labelled(inputs, labels), "noise", "tiny")


def text_target() -> Target:
    """A bag of tokens as the victim, with four texts in five short, which it labels itself."""
    random = torch.Generator().manual_seed(0)
    model = build(BagOfTokens, TEXTS, 3, seed=7).eval()
    texts = torch.randint(0, 40, (200, 8), generator=random)
    texts[40:, 5:] = 0
    victim = ModuleVictim(model, TEXTS, classes=3, name="bag")
    return Target(victim, Labelled(texts, model(texts).argmax(dim=1)), "texts")


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
