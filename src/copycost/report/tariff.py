"""What an API takes for its answers: money, and time where it limits the rate of queries."""

from __future__ import annotations

import math
from dataclasses import dataclass

from copycost.errors import ConfigError
from copycost.report import wording


@dataclass(frozen=True)
class Tariff:
    """A price and a limit, the same for all queries; None where there is none, or none is known."""

    price: float | None = None
    """US dollars for 1,000 queries."""
    rate: float | None = None
    """The most queries a second that one customer may send."""

    def __post_init__(self) -> None:
        """Raise `ConfigError` unless both are positive and finite, as far as they are given."""
        problems = []
        if not _is_positive(self.price):
            problems.append(
                f"price: {self.price} is not a price. Give US dollars for 1,000 queries, e.g. 1.5."
            )
        if not _is_positive(self.rate):
            problems.append(f"rate: {self.rate} is not a rate. Give queries a second, e.g. 20.")
        if problems:
            raise ConfigError(*problems)

    def money(self, queries: float) -> str:
        """The price of `queries`, as text; '' without a price."""
        return "" if self.price is None else wording.dollars(queries * self.price / 1_000)

    def seconds(self, queries: float, computing: float) -> float:
        """The least time for `queries` and `computing` seconds, as one can go on beside the other.

        copycost itself asks and computes in turns, and so would need up to their sum.
        """
        return computing if self.rate is None else max(computing, queries / self.rate)

    def pace(self) -> str:
        """The rate in words: '20 queries a second'; '' without a rate."""
        return "" if self.rate is None else f"{self.rate:,g} queries a second"


def _is_positive(number: float | None) -> bool:
    return number is None or 0 < number < math.inf
