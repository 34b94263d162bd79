"""Average: ask about every input several times."""

from __future__ import annotations

from typing import Self

from torch import Tensor

from copycost.adaptations.base import Adaptation, Ask
from copycost.types import Answer

LEAST_TIMES = 2


class Average(Adaptation):
    """Take the mean of several answers to the same input; of labels, the commonest.

    Noise that is drawn anew for every answer shrinks by the square root of their number, but for
    the bias of clipping at 0. All of them are paid for. Against answers that do not change it is
    a waste.
    """

    argument = "times"
    wanted = f"a whole number of times, {LEAST_TIMES} or more"

    def __init__(self, times: int) -> None:
        """Every input is asked about `times` times, in one request."""
        self.times = times

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `times`."""
        times = int(text)
        if times < LEAST_TIMES:
            raise ValueError
        return cls(times)

    @property
    def queries_per_input(self) -> int:
        """`times`."""
        return self.times

    def through(self, ask: Ask) -> Ask:
        """Ask `times` times."""

        def averaged(x: Tensor) -> Answer:
            access, labels, scores = ask(x.repeat(self.times, *(1 for _ in x.shape[1:])))
            if scores is None:
                return Answer(access, labels.view(self.times, -1).mode(dim=0).values, None)
            return Answer.unpack(access, scores.view(self.times, len(x), -1).mean(dim=0))

        return averaged
