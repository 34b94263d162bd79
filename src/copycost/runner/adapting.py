"""Lets an attacker's adaptations learn what they need of the defences, before the first query."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from copycost.adaptations.base import Adaptation, Ask
from copycost.errors import ConfigError, CopycostError
from copycost.nets.seeded import derive
from copycost.oracle.rehearsal import Rehearsal
from copycost.runner.config import RunConfig
from copycost.types import Access, Answer, InputSpec, Modality

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
        for place, adaptation in enumerate(adaptations):
            seed = derive(config.seed, f"adaptation {place}")
            adaptation.learn(_Trial(config, classes, adaptations[:place]), classes, seed, device)
        _Trial(config, classes, adaptations)(torch.zeros(2, classes, device=device))
    except CopycostError:
        raise
    except Exception as error:
        said = f"{' + '.join(config.adaptations)} raised {type(error).__name__}: {error}"
        raise ConfigError(f"adaptations: {said}") from error


class _Trial:
    """An imagined victim behind defences, as the next of several adaptations sees it."""

    def __init__(self, config: RunConfig, classes: int, before: Sequence[Adaptation]) -> None:
        self._config, self._classes, self._before = config, classes, before
        self._own = self.behind(config.defences, derive(config.seed, "trial of the defences"))

    def __call__(self, logits: Tensor) -> Answer:
        return self._own(logits)

    def behind(self, defences: Sequence[str], seed: int) -> Ask:
        rehearsal = Rehearsal(
            InputSpec((self._classes,), -LARGEST, LARGEST, Modality.TABULAR),
            self._classes,
            Access(self._config.access),
            self._config.top_k,
            defences,
            self._before,
            seed,
        )
        return rehearsal(lambda logits: logits)
