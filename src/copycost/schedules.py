"""Learning rates as functions of the share of the budget spent.

Time is t = spent / budget, in [0, 1), so that one schedule serves every budget, batch size and
number of devices. An attacker without data has no epochs to count.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer
from pydantic.dataclasses import dataclass

from copycost.registry import Entry, Registry
from copycost.settings import SETTINGS

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class Schedule(ABC):
    """A factor on the learning rate for every t in [0, 1)."""

    @abstractmethod
    def __call__(self, t: float) -> float:
        """The factor when a share `t` of the budget is spent."""

    @abstractmethod
    def __str__(self) -> str:
        """The text that `parse` reads back."""


@dataclass(frozen=True, config=SETTINGS)
class Constant(Schedule):
    """The learning rate as given."""

    def __call__(self, t: float) -> float:
        """Always 1."""
        return 1.0

    def __str__(self) -> str:
        """`constant`."""
        return "constant"


@dataclass(frozen=True, config=SETTINGS)
class Steps(Schedule):
    """Multiply by `factor` at each share in `at` (DFME: 0.1, 0.3, 0.5 by 0.3)."""

    at: tuple[Share, ...] = (0.1, 0.3, 0.5)
    factor: float = Field(default=0.3, gt=0)

    def __call__(self, t: float) -> float:
        """`factor` to the number of steps passed."""
        return self.factor ** sum(t >= share for share in self.at)

    def __str__(self) -> str:
        """E.g. `steps:0.1,0.3,0.5:0.3`."""
        return f"steps:{','.join(map(_exactly, self.at))}:{_exactly(self.factor)}"


@dataclass(frozen=True, config=SETTINGS)
class Cosine(Schedule):
    """From 1 to 0 along half a cosine (MAZE)."""

    def __call__(self, t: float) -> float:
        """(1 + cos(pi t)) / 2."""
        return (1 + math.cos(math.pi * t)) / 2

    def __str__(self) -> str:
        """`cosine`."""
        return "cosine"


def _exactly(number: float) -> str:
    """`number` as text that `float` reads back exactly: short if possible, else in full."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


SCHEDULES: Registry[type[Schedule]] = Registry(
    "schedule",
    {
        "constant": Entry("copycost.schedules:Constant", "the learning rate stays as given"),
        "steps": Entry(
            "copycost.schedules:Steps",
            "the learning rate is multiplied at shares of the budget, as in steps:0.5,0.8:0.3",
        ),
        "cosine": Entry(
            "copycost.schedules:Cosine", "the learning rate falls to 0 along half a cosine"
        ),
    },
)


def parse(text: str) -> Schedule:
    """Read `constant`, `cosine` or `steps:SHARE,...:FACTOR`; `ValueError` for anything else."""
    name, _, rest = text.partition(":")
    if name not in SCHEDULES:
        raise ValueError(f"there is no schedule {name!r}; known: {', '.join(SCHEDULES)}")
    if not rest:
        return SCHEDULES[name]()
    shares, _, factor = rest.partition(":")
    if name != "steps" or not factor:
        raise ValueError(f"{text!r} is not a schedule; write for instance steps:0.5,0.8:0.3")
    return Steps(at=tuple(float(share) for share in shares.split(",")), factor=float(factor))


ScheduleSetting = Annotated[
    Schedule,
    BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value),
    PlainSerializer(str),
]
