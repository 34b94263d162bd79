"""The base class of detectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from torch import Tensor


class Seen(NamedTuple):
    """Some queries of a customer, as the API's owner sees them."""

    inputs: Tensor
    """[n, *shape], in the range of the victim's inputs."""
    labels: Tensor
    """[n], int64, the classes that the API gave them."""
    sure: Tensor | None
    """[n], the model's own probability of its first choice; None where it is not known."""


Stream = Iterable[Seen]
"""One customer's queries in order, in batches. It can be read once."""


class Look(NamedTuple):
    """What a detector thinks of a customer at one moment."""

    queries: int
    """Those that the customer has sent until then."""
    suspicion: float
    """The more, the more it looks like an attack; an alarm is raised above a threshold."""


class Detector(ABC):
    """Watches the queries of one customer at a time; it changes no answer."""

    @property
    def studies(self) -> bool:
        """Whether it has something to learn from an honest customer."""
        return type(self).study is not Detector.study

    def study(self, stream: Stream) -> None:  # noqa: B027 -- most know what is suspicious
        """Learn from the `stream` of an honest customer, once, before anybody is judged."""

    @abstractmethod
    def looks(self, stream: Stream) -> Iterator[Look]:
        """Judge a customer's `stream` again and again; ends with it."""
