"""The base class of detectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from torch import Tensor

Stream = Iterable[tuple[Tensor, Tensor]]
"""One customer's queries in order, in batches: inputs [n, *shape], and the classes that the API
gave them, [n], int64. It can be read once."""


class Look(NamedTuple):
    """What a detector thinks of a customer at one moment."""

    queries: int
    """Those that the customer has sent until then."""
    suspicion: float
    """The more, the more it looks like an attack; an alarm is raised above a threshold."""


class Detector(ABC):
    """Watches the queries of one customer at a time; it changes no answer."""

    @abstractmethod
    def looks(self, stream: Stream) -> Iterator[Look]:
        """Judge a customer's `stream` again and again; ends with it."""
