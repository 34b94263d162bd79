"""Stand-in networks and victims for copycost's own tests and for those of its users.

Nothing in the package imports this module.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from copycost.types import Access, InputSpec
from copycost.victims.base import Victim
from copycost.victims.module import ModuleVictim

TINY = InputSpec(shape=(1, 8, 8))
"""8×8 grey images in [0, 1]."""


class TinyNet(nn.Module):
    """A smooth, differentiable net of a few hundred weights for inputs of any shape."""

    def __init__(self, spec: InputSpec = TINY, classes: int = 4, seed: int = 0) -> None:
        """Weights depend on `seed` only, and are large enough to give every class a region."""
        super().__init__()
        self.first = nn.Parameter(torch.empty(16, spec.size))
        self.second = nn.Parameter(torch.empty(classes, 16))
        self.reset_parameters(torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def reset_parameters(self, random: torch.Generator | None = None) -> None:
        """Draw new weights from `random`, or from PyTorch's global generator."""
        self.first.normal_(generator=random).div_(self.first.shape[1] ** 0.5)
        self.second.normal_(generator=random)

    def forward(self, x: Tensor) -> Tensor:
        """[N, *shape] -> logits [N, K]."""
        centred = x.flatten(1) - 0.5
        return torch.tanh(4 * centred @ self.first.T) @ self.second.T


class SpyVictim(Victim):
    """Wraps a victim and notes the size of every batch that reaches it."""

    def __init__(self, victim: Victim) -> None:
        """Declares the same inputs, classes and output as `victim`."""
        super().__init__(victim.spec, victim.classes, victim.output, f"spied {victim.name}")
        self.victim, self.free = victim, victim.free
        self.batches: list[int] = []

    @property
    def count(self) -> int:
        """Inputs that have reached the victim."""
        return sum(self.batches)

    def answer(self, x: Tensor) -> Tensor:
        """Note the batch, then ask."""
        self.batches.append(len(x))
        return self.victim(x)


class ScriptedVictim(Victim):
    """Answers every input with one prepared row, which may be one that no real net would give."""

    free = True

    def __init__(self, row: Tensor, output: Access, spec: InputSpec = TINY) -> None:
        """`row` is one answer: scores [K]."""
        super().__init__(spec, len(row), output, "scripted")
        self.row = row

    def answer(self, x: Tensor) -> Tensor:
        """`row` for each of the inputs."""
        return self.row.expand(len(x), -1)


def tiny_victim(
    output: Access = Access.LOGITS, *, spec: InputSpec = TINY, classes: int = 4, seed: int = 0
) -> ModuleVictim:
    """A `TinyNet` as a victim that gives logits, or probabilities."""
    net: nn.Module = TinyNet(spec, classes, seed)
    if output is Access.PROBABILITIES:
        net = nn.Sequential(net, nn.Softmax(dim=1))
    return ModuleVictim(net, spec, classes, output, name="tiny")
