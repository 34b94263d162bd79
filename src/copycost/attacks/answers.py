"""Answers to the queries of a pool attack, kept for training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from copycost.oracle.base import Oracle
from copycost.types import Access, Answer


def room(oracle: Oracle, n: int, device: torch.device | None = None) -> Tensor:
    """Memory for `n` packed answers of `oracle`: [n, K], float32; at label access [n], int64."""
    if oracle.access is Access.LABEL:
        return torch.empty(n, dtype=torch.int64, device=device)
    return torch.empty(n, oracle.classes, device=device)


class Answers:
    """Answers as they were released, with the pool's indices, in the order of the queries.

    Memory for all of them is allocated on the host at the start: per answer 8 bytes for its
    index, and 8 for its label or 4·K for its scores. A checkpoint grows by what is held.
    """

    def __init__(self, oracle: Oracle, capacity: int) -> None:
        """Hold at most `capacity` answers of `oracle`."""
        self.access = oracle.access
        self._indices = torch.empty(capacity, dtype=torch.int64)
        self._kept = room(oracle, capacity)
        self._held = 0

    def __len__(self) -> int:
        """A, the number of answers held."""
        return self._held

    @property
    def indices(self) -> Tensor:
        """Indices [A], int64, of the pool's inputs that were queried."""
        return self._indices[: self._held]

    def put(self, indices: Tensor, answer: Answer) -> None:
        """Keep the answer to the inputs of `indices` [n]."""
        end = self._held + len(indices)
        self._indices[self._held : end] = indices
        self._kept[self._held : end] = answer.pack().detach().to(self._kept)
        self._held = end

    def of(self, rows: Tensor, device: torch.device | None = None) -> Answer:
        """The answers in `rows` ([n], from 0 to A - 1), on `device`."""
        return Answer.unpack(self.access, self._kept[rows].to(device))

    def state(self) -> dict[str, Any]:
        """All that is held."""
        return {"indices": self.indices, "kept": self._kept[: self._held]}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved `state`."""
        self._held = len(state["indices"])
        self._indices[: self._held] = state["indices"]
        self._kept[: self._held] = state["kept"]
