"""The first queries of a run, read where they lie on disk: what a fresh student learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from copycost.levels import dequantise
from copycost.oracle.transfer.frames import Arrays, Encoding, Layout
from copycost.oracle.transfer.reader import TransferSet
from copycost.types import Answer

Rows = list[tuple[Arrays, int]]
"""Calls of the oracle, each with a row in it."""


class Queries:
    """n inputs with what was released for each, in the order of asking.

    Inputs and scores stay where `calls` have them, as a rule on the disk: those of twenty million
    images would not fit in memory. What is looked at again is then in the system's cache, as far
    as there is room.
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
        """Row numbers of whole calls, at most so many rows, and of all others; at random.

        A finite difference's images, which hardly differ, are asked in one call: so none of the
        first has its twin among the others. Calls come in random order, and each that still fits
        is taken. Only where no call is so small, rows of any are taken.
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
        """Inputs [m, *shape] in the spec's range and their answers, of `rows` [m], m > 0."""
        places, spec = self._places(rows), self.layout.spec
        inputs = torch.from_numpy(np.stack([call.inputs[row] for call, row in places])).to(device)
        if self.layout.encoding is Encoding.BYTES:
            inputs = dequantise(inputs, spec)
        elif spec.vocabulary is not None:
            inputs = inputs.long()
        scores = _scores(places) if self.layout.has_scores else None
        scores = None if scores is None else scores.to(device)
        return inputs, Answer(self.layout.access, self.labels[rows].to(device), scores)

    def _places(self, rows: Tensor) -> Rows:
        which = self._calls_of(rows)
        at = (rows.numpy() - self._starts[which]).tolist()
        return [(self._calls[call], row) for call, row in zip(which.tolist(), at, strict=True)]

    def _calls_of(self, rows: Tensor) -> np.ndarray[Any, Any]:
        return np.searchsorted(self._ends, rows.numpy(), side="right")


def first_queries(transfer: TransferSet, budget: int) -> Queries:
    """What the run asked for the first `budget` queries it was charged.

    Fewer where it recorded fewer: a pool ran out, or a crash was charged for. All are read once,
    to see that none is damaged; only their labels are kept in memory.
    """
    calls = []
    for first, arrays in transfer.raw():
        taken = min(len(arrays.labels), max(0, budget - first))
        if taken:
            calls.append(_cut(arrays, taken))
    return Queries(transfer.layout, calls)


def _cut(arrays: Arrays, n: int) -> Arrays:
    """The first `n` rows, where they lie."""
    scores = None if arrays.scores is None else arrays.scores[:n]
    return Arrays(arrays.inputs[:n], arrays.labels[:n], scores)


def _fitting(lengths: Sequence[int], most: int) -> list[int]:
    """Places of those taken, one after the other, that fit into `most` with what is taken."""
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
