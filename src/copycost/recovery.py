"""Recover logits from released answers: log p is the logits up to a constant per sample.

The softmax discards that constant, so an attacker who wants logits has to choose one. DFME's
paper makes the mean 0 (section 3.4); its code can also make the minimum 0 or correct nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from copycost.registry import Entry, Registry
from copycost.settings import choice
from copycost.types import Access, Answer

Centring = Callable[[Tensor], Tensor]
"""Log-probabilities [N, K] -> logits [N, K]; each function chooses the constant its own way."""

FLOOR = 1e-7
"""Probability that replaces a released 0. It is about float32's resolution near 1: rounded and
truncated answers give finite logits, and ordinary answers hardly change."""


def mean(log_p: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
    """Logits whose mean over the classes is 0."""
    return log_p - log_p.mean(dim=1, keepdim=True)


def minimum(log_p: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
    """Logits whose smallest is 0."""
    return log_p - log_p.amin(dim=1, keepdim=True)


def none(log_p: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
    """The log-probabilities themselves: no correction."""
    return log_p


CENTRINGS: Registry[Centring] = Registry(
    "recovery",
    {
        "mean": Entry("copycost.recovery:mean", "log p minus its mean over classes"),
        "minimum": Entry("copycost.recovery:minimum", "log p minus its smallest value"),
        "none": Entry("copycost.recovery:none", "log p as it is"),
    },
)

CentringSetting = Annotated[Centring, choice(CENTRINGS)]


def recover_logits(
    answer: Answer, classes: int, centring: Centring = mean, floor: float = FLOOR
) -> Float[Tensor, "N K"]:
    """Recover the victim's logits [N, K] from `answer`; released logits are returned as they are.

    At top-k access the missing probability is spread evenly over the classes left out; at
    label access the first choice has probability 1. Probabilities are raised to at least
    `floor` and the smallest normal number of their type, so that the result is always finite.
    """
    if answer.access is Access.LOGITS:
        return _scores(answer)
    p = _probabilities(answer, classes)
    return centring(p.clamp(min=max(floor, torch.finfo(p.dtype).tiny)).log())


def _probabilities(answer: Answer, classes: int) -> Float[Tensor, "N K"]:
    if answer.access is Access.LABEL:
        return torch.nn.functional.one_hot(answer.labels, classes).float()
    p = _scores(answer)
    return _spread(p) if answer.access is Access.TOP_K else p


def _spread(p: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
    hidden = p == 0
    missing = (1 - p.sum(dim=1, keepdim=True)).clamp(min=0)
    return torch.where(hidden, missing / hidden.sum(dim=1, keepdim=True).clamp(min=1), p)


def _scores(answer: Answer) -> Tensor:
    assert answer.scores is not None, "only label access has no scores"
    return answer.scores
