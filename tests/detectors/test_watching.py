"""Streams of queries before a detector."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from copycost.detectors.base import Detector, Look, Stream
from copycost.detectors.watching import Verdict, honest, threshold, watch


class Brightest(Detector):
    """Suspects a customer by the mean of the latest batch."""

    def looks(self, stream: Stream) -> Iterator[Look]:
        """After every batch."""
        seen = 0
        for inputs, labels in stream:
            seen += len(labels)
            yield Look(seen, float(inputs.mean()))


def batches(*means: float) -> list[tuple[Tensor, Tensor]]:
    return [(torch.full((4, 1, 2, 2), mean), torch.zeros(4, dtype=torch.int64)) for mean in means]


def test_the_first_alarm_ends_the_watch() -> None:
    assert watch(Brightest(), batches(0.1, 0.5, 0.75, 1.0), 0.5, 99) == Verdict(12, 0.75, 12)
    assert watch(Brightest(), batches(0.1, 0.5, 0.25), 0.5, 99) == Verdict(None, 0.5, 12)


def test_no_more_than_so_many_queries_are_watched() -> None:
    assert watch(Brightest(), batches(0.25, 0.5, 0.75), 0.6, 8) == Verdict(None, 0.5, 8)
    assert watch(Brightest(), batches(0.25, 0.5, 0.75), 0.6, 10) == Verdict(10, 0.75, 10)
    assert watch(Brightest(), [], 0.5, 10) == Verdict(None, None, 0)


def test_the_threshold_is_the_highest_of_any_honest_customer() -> None:
    streams = [batches(0.25, 0.5), batches(0.75, 0.125), []]
    assert threshold(Brightest(), streams) == 0.75
    assert threshold(Brightest(), [[], []]) is None


def test_an_honest_customer_asks_each_thing_once_in_an_order_of_its_own() -> None:
    x, labels = torch.arange(700.0).view(700, 1), torch.arange(700)
    orders = []
    for seed in (0, 1, 0):
        parts = list(honest(lambda which: x[which], labels, seed))
        asked = torch.cat([part for part, _ in parts]).flatten()
        assert torch.equal(asked.long(), torch.cat([given for _, given in parts]))
        assert torch.equal(asked.sort().values, x.flatten())
        orders.append(asked)
    assert torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0], orders[1])
