"""What was asked of a pool and what was released for it, kept for training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from copycost.oracle.meter import Oracle
from copycost.types import Access, Answer


def room(oracle: Oracle, n: int, device: torch.device | None = None) -> Tensor:
    """For `n` packed answers of `oracle`: [n, K], float32, or [n], int64, at label access."""
    if oracle.access is Access.LABEL:
        return torch.empty(n, dtype=torch.int64, device=device)
    return torch.empty(n, oracle.classes, device=device)


class Answers:
    """Answers by the pool's indices, in the order they were asked; each as it was released.

    Room for all of them is taken at the start, 8 bytes an answer for its index, and 8 for its
    label or 4·K for its scores. Lies on the host; a checkpoint grows by what is held.
    """

    def __init__(self, oracle: Oracle, capacity: int) -> None:
        """Hold at most `capacity` answers of `oracle`."""
        self.access = oracle.access
        self._indices = torch.empty(capacity, dtype=torch.int64)
        self._kept = room(oracle, capacity)
        self._held = 0

    def __len__(self) -> int:
        """A, answers held."""
        return self._held

    @property
    def indices(self) -> Tensor:
        """[A], int64: which inputs of the pool were asked."""
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
        """Take up a saved `state`."""
        self._held = len(state["indices"])
        self._indices[: self._held] = state["indices"]
        self._kept[: self._held] = state["kept"]
