"""Lets an attacker's adaptations learn what they need of the defences, before the first query."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from copycost.adaptations.base import Adaptation, Ask
from copycost.errors import ConfigError, CopycostError
from copycost.nets.seeded import derive
from copycost.oracle.rehearsal import Rehearsal
from copycost.runner.config import RunConfig
from copycost.types import Access, InputSpec, Modality

LARGEST = 1000.0
"""Imagined logits are from minus this to this."""


def learn(
    adaptations: Sequence[Adaptation], config: RunConfig, classes: int, device: torch.device
) -> None:
    """Let each of them try the run's defences on imagined logits of K = `classes`.

    The attacker is taken to know their formulas and numbers. Their random numbers are secret, so
    those of the trial are others. Raises `ConfigError` if one fails, as a user's own may.
    """
    try:
        _learn(adaptations, config, classes, device)
    except CopycostError:
        raise
    except Exception as error:
        said = f"{' + '.join(config.adaptations)} raised {type(error).__name__}: {error}"
        raise ConfigError(f"adaptations: {said}") from error


def _learn(
    adaptations: Sequence[Adaptation], config: RunConfig, classes: int, device: torch.device
) -> None:
    released = _trial(config, classes)
    for place, adaptation in enumerate(adaptations):
        seed = derive(config.seed, f"adaptation {place}")
        adaptation.learn(released, classes, seed, device)
        released = adaptation.through(released)
    released(torch.zeros(2, classes, device=device))


def _trial(config: RunConfig, classes: int) -> Ask:
    """Logits [N, K] of an imagined victim -> what would be released of them."""
    rehearsal = Rehearsal(
        InputSpec((classes,), -LARGEST, LARGEST, Modality.TABULAR),
        classes,
        Access(config.access),
        config.top_k,
        config.defences,
        seed=derive(config.seed, "trial of the defences"),
    )
    return rehearsal(lambda logits: logits)
