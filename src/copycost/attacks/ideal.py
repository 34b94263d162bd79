"""IDEAL: query-efficient data-free learning (Zhang, Chen, Lyu, ICLR 2023, arXiv:2205.11158)."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn.functional import cross_entropy

from copycost.attacks.replay import Batch
from copycost.attacks.state import State
from copycost.attacks.synthesis import Synthesis, SynthesisState
from copycost.oracle.base import Oracle
from copycost.settings import SETTINGS
from copycost.types import InputSpec


@dataclass(frozen=True, config=SETTINGS)
class IDEAL(Synthesis):
    """In each round a fresh generator makes images of all classes, which are queried once each.

    The student then learns from views of all images so far, each with the label of its original.
    The defaults are those of the authors' command for CIFAR-10.
    """

    generator_momenta: ClassVar[tuple[float, float]] = (0.5, 0.999)
    """As in DCGAN."""

    batch_size: int = Field(default=250, ge=2)
    """N, images per round, and per step of the student."""
    spread: float = Field(default=5.0, ge=0)
    """λ, weight in the generator's loss of the mean over images and classes of p log p."""

    def targets(self, s: SynthesisState, oracle: Oracle, n: int) -> Tensor:
        """Classes [n], taken in turn over all rounds and all ranks' rows."""
        ranks = s.engine.ranks
        first = oracle.spent * ranks.count + ranks.rank * n  # one query per image
        return (first + torch.arange(n, device=s.engine.device)) % oracle.classes

    def objective(self, s: State, scores: Tensor, targets: Tensor, images: Tensor) -> Tensor:
        """Cross-entropy with the targets + λ · mean p log p, which keeps predictions uncertain."""
        return cross_entropy(scores, targets) + self.spread * openness(scores)

    def learn(self, s: State, lesson: Batch, spec: InputSpec) -> dict[str, Tensor]:
        """One step of the student on views of the images, with the images' own labels."""
        seen = self.view(s, lesson.inputs, spec)
        return super().learn(s, Batch(seen, lesson.answer), spec)


def openness(scores: Tensor) -> Tensor:
    """Mean over images and classes of p log p, 0-d, for logits [N, K]; least where all p = 1/K."""
    log_p = scores.log_softmax(dim=1)
    return (log_p.exp() * log_p).mean()
