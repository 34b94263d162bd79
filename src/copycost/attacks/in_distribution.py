"""The ceiling: a student trained on the victim's own training images and its answers to them."""

from __future__ import annotations

from typing import ClassVar

from pydantic.dataclasses import dataclass

from copycost.attacks.knockoff import Knockoff
from copycost.pool import IN_DISTRIBUTION
from copycost.settings import SETTINGS


@dataclass(frozen=True, config=SETTINGS)
class InDistribution(Knockoff):
    """What the budget buys an attacker who has the victim's data and lacks only its answers.

    This is no realistic attack: no outsider has this pool. It bounds the others from above, as
    random noise does from below.
    """

    knowledge: ClassVar[str] = IN_DISTRIBUTION
