"""Watch recorded queries with a detector, beside honest customers who set its threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from copycost.detectors.base import Detector, Seen, Stream

Inputs = Callable[[Tensor], Tensor]
"""Indices [n] -> inputs [n, *shape] of the held-out data, in the range of the victim's inputs."""

BATCH = 256


class Verdict(NamedTuple):
    """What a detector found in one stream."""

    alarm: int | None
    """Queries that had been sent at the first alarm; None if there was none."""
    suspicion: float | None
    """The highest until then; None if the detector never had enough to judge."""
    watched: int
    """Queries that were looked at."""


def shared_out(detector: Detector, count: int) -> tuple[Tensor, Tensor]:
    """Indices of the held-out data, `count` in all: what it studies, and what customers ask about.

    What a detector has studied it finds usual, so customers of one that studies ask about the other
    half: their threshold would else be one that new customers cross.
    """
    if not detector.studies:
        return torch.empty(0, dtype=torch.int64), torch.arange(count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return order[: count // 2], order[count // 2 :]


def honest(inputs: Inputs, labels: Tensor, sure: Tensor | None, among: Tensor, seed: int) -> Stream:
    """A customer who asks about each input `among` the held-out ones once, in a random order.

    `labels` and `sure`, [N], are the victim's, `among` has indices. Such customers are simpler than
    real ones, who may ask again about the same thing, or about similar ones.
    """
    order = among[torch.randperm(len(among), generator=torch.Generator().manual_seed(seed))]
    parts = (order[at : at + BATCH] for at in range(0, len(order), BATCH))
    return (
        Seen(inputs(part), labels[part], None if sure is None else sure[part]) for part in parts
    )


def threshold(detector: Detector, customers: Sequence[Stream]) -> float | None:
    """The highest suspicion of any of the honest `customers`; None if none could be judged."""
    found = [look.suspicion for stream in customers for look in detector.looks(stream)]
    return max(found, default=None)


def watch(detector: Detector, stream: Stream, threshold: float, most: int) -> Verdict:
    """Look at `stream` until the first alarm: a suspicion above `threshold`; at `most` queries."""
    highest, counted = None, _Counted(stream, most)
    for look in detector.looks(counted):
        highest = look.suspicion if highest is None else max(look.suspicion, highest)
        if look.suspicion > threshold:
            return Verdict(look.queries, highest, look.queries)
    return Verdict(None, highest, counted.seen)


class _Counted:
    """The first queries of a stream, counted."""

    def __init__(self, stream: Stream, most: int) -> None:
        self._stream, self._most = stream, most
        self.seen = 0

    def __iter__(self) -> Iterator[Seen]:
        for inputs, labels, sure in self._stream:
            left = self._most - self.seen
            if left <= 0:
                return
            self.seen += min(left, len(labels))
            yield Seen(inputs[:left], labels[:left], None if sure is None else sure[:left])
