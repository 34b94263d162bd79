"""Streams of queries before a detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from copycost.detectors.base import Detector, Look, Seen, Stream
from copycost.detectors.watching import HeldOut, Verdict, honest, studied, threshold, watch


class Brightest(Detector):
    """Suspects a customer by the mean of the latest batch."""

    def looks(self, stream: Stream) -> Iterator[Look]:
        """After every batch."""
        seen = 0
        for inputs, labels, _ in stream:
            seen += len(labels)
            yield Look(seen, float(inputs.mean()))


def batches(*means: float) -> list[Seen]:
    labels = torch.zeros(4, dtype=torch.int64)
    return [Seen(torch.full((4, 1, 2, 2), mean), labels, torch.full((4,), mean)) for mean in means]


def test_the_first_alarm_ends_the_watch() -> None:
    assert watch(Brightest(), batches(0.1, 0.5, 0.75, 1.0), 0.5, 99) == Verdict(12, 0.75, 12)
    assert watch(Brightest(), batches(0.1, 0.5, 0.25), 0.5, 99) == Verdict(None, 0.5, 12)


def test_what_was_read_after_the_alarm_was_not_watched() -> None:
    class Impatient(Detector):
        def looks(self, stream: Stream) -> Iterator[Look]:
            for inputs, _, _ in stream:
                yield from (Look(n, n / 10) for n in range(1, len(inputs) + 1))

    assert watch(Impatient(), batches(0.5), 0.15, 99) == Verdict(2, 0.2, 2)


def test_suspicions_may_be_negative() -> None:
    assert watch(Brightest(), batches(-0.75, -0.5), 0.5, 99) == Verdict(None, -0.5, 8)
    assert watch(Brightest(), batches(-0.75, -0.25), -0.5, 99) == Verdict(8, -0.25, 8)


def test_no_more_than_so_many_queries_are_watched() -> None:
    assert watch(Brightest(), batches(0.25, 0.5, 0.75), 0.6, 8) == Verdict(None, 0.5, 8)
    assert watch(Brightest(), batches(0.25, 0.5, 0.75), 0.6, 10) == Verdict(10, 0.75, 10)
    assert watch(Brightest(), [], 0.5, 10) == Verdict(None, None, 0)


def test_the_threshold_is_the_highest_of_any_honest_customer() -> None:
    streams = [batches(0.25, 0.5), batches(0.75, 0.125), []]
    assert threshold((Brightest(), stream) for stream in streams) == 0.75
    assert threshold([(Brightest(), []), (Brightest(), [])]) is None


def numbered() -> HeldOut:
    """700 inputs that are their own labels."""
    x, labels = torch.arange(700.0).view(700, 1), torch.arange(700)
    return HeldOut(lambda which: x[which], labels, labels / 700)


def asked_by(stream: Stream) -> list[int]:
    asked: list[int] = []
    for inputs, labels, sure in stream:
        assert sure is not None
        assert torch.equal(inputs.flatten().long(), labels)
        assert torch.equal(labels / 700, sure)
        asked += labels.tolist()
    return asked


def test_an_honest_customer_asks_each_thing_once_in_an_order_of_its_own() -> None:
    orders = [asked_by(honest(Brightest(), numbered(), seed)) for seed in (0, 1, 0)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(700))
    assert orders[0] == orders[2] != orders[1]
    assert studied(Brightest(), 700) == 0


class Studious(Brightest):
    """Remembers whom it has studied."""

    known: Sequence[int] = ()

    def study(self, stream: Stream) -> None:
        """Take it in."""
        self.known = asked_by(stream)


def test_customers_do_not_ask_about_what_was_studied() -> None:
    known = []
    for seed in range(2):
        detector = Studious()
        asked = asked_by(honest(detector, numbered(), seed))
        assert sorted([*asked, *detector.known]) == list(range(700))
        assert len(detector.known) == studied(detector, 700) == 350
        known.append(set(detector.known))
    assert known[0] != known[1]
    assert studied(Studious(), 31) == 15


def test_what_is_not_watched_is_not_seen() -> None:
    class Careful(Detector):
        def looks(self, stream: Stream) -> Iterator[Look]:
            for inputs, labels, sure in stream:
                assert sure is not None
                assert len(inputs) == len(labels) == len(sure)
                yield Look(len(sure), float(sure[-1]))

    assert watch(Careful(), batches(0.25, 0.5), 0.9, 6) == Verdict(None, 0.5, 6)
    unknown = [part._replace(sure=None) for part in batches(0.25, 0.5)]
    assert watch(Brightest(), unknown, 0.9, 6) == Verdict(None, 0.5, 6)
