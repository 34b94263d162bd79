"""The first queries of a run, read from disk when needed, for a fresh student to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from copycost.oracle.transfer.frames import Arrays, Layout
from copycost.oracle.transfer.reader import TransferSet, decoded
from copycost.types import Answer

Rows = list[tuple[Arrays, int]]
"""Pairs of a call of the oracle and a row in it."""


class Queries:
    """n inputs with the answer to each, in the order of asking.

    Inputs and scores stay where `calls` keep them, as a rule on disk: those of twenty million
    images would not fit in memory. The system caches what is read repeatedly, as far as it fits.
    """

    def __init__(self, layout: Layout, calls: Sequence[Arrays]) -> None:
        """`calls` of the oracle, of at least one input each."""
        self.layout, self._calls = layout, calls
        lengths = np.array([len(call.labels) for call in calls], np.int64)
        self._ends = lengths.cumsum()
        self._starts = self._ends - lengths
        labels = [torch.from_numpy(call.labels.astype(np.int64)) for call in calls]
        self.labels = torch.cat(labels) if labels else torch.empty(0, dtype=torch.int64)
        """[n], int64."""

    def __len__(self) -> int:
        """n."""
        return len(self.labels)

    def parted(self, most: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """Split at random into whole calls, at most `most` rows in all, and the rest: row numbers.

        The nearly equal images of a finite difference are asked in one call, so no row of the
        first part has a twin in the rest. Calls come in random order, and each that still fits is
        taken. Only if no call fits are rows of any call taken.
        """
        lengths = torch.from_numpy(self._ends - self._starts)
        order = torch.randperm(len(lengths), generator=chance)
        calls = order[_fitting(lengths[order].tolist(), most)]
        rows = torch.randperm(len(self), generator=chance)
        if not len(calls):
            return rows[:most], rows[most:]
        first = torch.isin(torch.from_numpy(self._calls_of(rows)), calls)
        return rows[first], rows[~first]

    def of(self, rows: Tensor, device: torch.device) -> tuple[Tensor, Answer]:
        """Inputs [m, *shape] in the spec's range and their answers, for `rows` [m], m > 0."""
        places = self._places(rows)
        stored = torch.from_numpy(np.stack([call.inputs[row] for call, row in places])).to(device)
        scores = _scores(places).to(device) if self.layout.has_scores else None
        answer = Answer(self.layout.access, self.labels[rows].to(device), scores)
        return decoded(stored, self.layout), answer

    def _places(self, rows: Tensor) -> Rows:
        which = self._calls_of(rows)
        at = (rows.numpy() - self._starts[which]).tolist()
        return [(self._calls[call], row) for call, row in zip(which.tolist(), at, strict=True)]

    def _calls_of(self, rows: Tensor) -> np.ndarray[Any, Any]:
        return np.searchsorted(self._ends, rows.numpy(), side="right")


def first_queries(transfer: TransferSet, budget: int) -> Queries:
    """The recorded queries among the first `budget` that the run was charged.

    They may be fewer: a pool ran out, or queries lost in a crash were charged. All are read once
    to check that none is damaged; only their labels are kept in memory.
    """
    calls = []
    for first, arrays in transfer.raw():
        taken = min(len(arrays.labels), max(0, budget - first))
        if taken:
            calls.append(_cut(arrays, taken))
    return Queries(transfer.layout, calls)


def _cut(arrays: Arrays, n: int) -> Arrays:
    """The first `n` rows, as views."""
    scores = None if arrays.scores is None else arrays.scores[:n]
    return Arrays(arrays.inputs[:n], arrays.labels[:n], scores)


def _fitting(lengths: Sequence[int], most: int) -> list[int]:
    """Indices of `lengths` taken in order, each that still fits, with at most `most` in all."""
    taken, left = [], most
    for place, length in enumerate(lengths):
        if length <= left:
            taken.append(place)
            left -= length
    return taken


def _scores(places: Rows) -> Tensor:
    found: list[np.ndarray[Any, Any]] = [
        call.scores[row] for call, row in places if call.scores is not None
    ]
    return torch.from_numpy(np.stack(found))
