"""Probes: images that nothing was trained for, about which independent models disagree."""

from __future__ import annotations

import torch
from torch import Tensor

from copycost.attacks.frugal import by_turns
from copycost.attacks.untrained import untrained
from copycost.noise import Noise
from copycost.types import InputSpec

CANDIDATES = 4
"""Images drawn for each probe, so that most classes have their share."""
CHUNK = 256
"""Images that are drawn, or asked about, at once."""
PIXELS = 2**20
"""Most pixels drawn at once: some hundred bytes of memory each."""


def candidates(spec: InputSpec, probes: int, seed: int) -> Tensor:
    """Bytes [4 · probes, C, H, W] of images by untrained networks: see `untrained`.

    They depend on nothing but the shape and `seed`. Whoever accuses somebody cannot choose images
    on which innocent models happen to agree, beyond choosing a number.
    """
    random, left = Noise(seed, torch.device("cpu")), CANDIDATES * probes
    most = min(CHUNK, max(1, PIXELS // (spec.shape[1] * spec.shape[2])))
    drawn = []
    while left:
        x = untrained(spec, min(left, most), random)
        drawn.append(((x - spec.low) / (spec.high - spec.low) * 255).round().to(torch.uint8))
        left -= len(x)
    return torch.cat(drawn)


def in_turns(labels: Tensor, classes: int, probes: int) -> Tensor:
    """Indices [probes] of candidates with the victim's `labels`, from all classes in turn.

    A victim gives many of these images to one class, and so may any other model. Where classes
    have the same share, little agreement is left to chance.
    """
    return by_turns(torch.zeros(len(labels)), labels, classes)[:probes]
