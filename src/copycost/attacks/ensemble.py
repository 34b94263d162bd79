"""Several students of one architecture: how the others are made, and how they vote."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from copycost.errors import ConfigError
from copycost.nets.seeded import derive, fresh_copy


class Vote(nn.Module):
    """The soft vote of several networks, as one network."""

    def __init__(self, members: Iterable[nn.Module]) -> None:
        """`members` map [N, *shape] to logits [N, K]; they are shared, not copied."""
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """Inputs [N, *shape] -> logarithms [N, K] of the members' mean probabilities."""
        log_p = torch.stack([member(x).float().log_softmax(dim=1) for member in self.members])
        return log_p.logsumexp(dim=0).log_softmax(dim=1)


def fellows(student: nn.Module, count: int, seed: int) -> dict[str, nn.Module]:
    """`count` further students of `student`'s architecture, each with its own weights, by name.

    Raises `ConfigError` for an architecture whose layers cannot draw new weights: students that
    start alike stay alike, and never disagree.
    """
    made = {}
    for number in range(2, count + 2):
        name = f"member {number}"
        made[name] = fresh_copy(student, derive(seed, name))
        if _alike(made[name], student):
            raise ConfigError(
                f"student: a second {type(student).__name__} would start from the first one's "
                "weights, as its layers have no reset_parameters(). Give it one."
            )
    return made


def _alike(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
