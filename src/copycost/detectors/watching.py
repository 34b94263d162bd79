"""Watch recorded queries with a detector, beside honest customers who set its threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from copycost.detectors.base import Detector, Seen, Stream

BATCH = 256


class Verdict(NamedTuple):
    """What a detector found in one stream."""

    alarm: int | None
    """Queries that had been sent at the first alarm; None if there was none."""
    suspicion: float | None
    """The highest until then; None if the detector never had enough to judge."""
    watched: int
    """Queries that were looked at."""


class HeldOut(NamedTuple):
    """The N inputs that copies were judged on, and what the victim says of them."""

    inputs: Callable[[Tensor], Tensor]
    """Indices [n] -> inputs [n, *shape], in the range of the victim's inputs."""
    labels: Tensor
    """[N]."""
    sure: Tensor | None
    """[N], the victim's probability of its first choice; None where it is not known."""

    def asked(self, which: Tensor) -> Iterator[Seen]:
        """A customer who asks about those at the indices `which` [n], in this order."""
        for at in range(0, len(which), BATCH):
            part = which[at : at + BATCH]
            sure = None if self.sure is None else self.sure[part]
            yield Seen(self.inputs(part), self.labels[part], sure)


def studied(detector: Detector, count: int) -> int:
    """How many of `count` held-out inputs the `detector` studies before it judges a customer.

    What it has studied it finds usual, so the customer asks about the others: the threshold would
    else be one that new customers cross.
    """
    return count // 2 if detector.studies else 0


def honest(detector: Detector, held_out: HeldOut, seed: int) -> Stream:
    """A customer, and what the `detector` studies first: held-out inputs, each once, by chance.

    Such customers are simpler than real ones, who may ask again about the same thing, or about
    similar ones.
    """
    count = len(held_out.labels)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    known = studied(detector, count)
    if known:
        detector.study(held_out.asked(order[:known]))
    return held_out.asked(order[known:])


def threshold(customers: Iterable[tuple[Detector, Stream]]) -> float | None:
    """The highest suspicion of any honest customer, each before a detector of its own.

    None if none could be judged.
    """
    found = [look.suspicion for one, stream in customers for look in one.looks(stream)]
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
