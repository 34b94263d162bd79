"""DFMS-HL, strictly data-free: with no proxies, or with images of random numbers for proxies."""

from __future__ import annotations

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.dfms import DFMS, DFMSState
from copycost.attacks.sources import SourceSetting, knowledge_of
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.oracle.meter import Oracle
from copycost.settings import SETTINGS
from copycost.types import InputSpec


@dataclass(frozen=True, config=SETTINGS)
class DFMSHL(DFMS):
    """Without proxies the generator knows of nothing but the student's prediction."""

    like: SourceSetting | None = None
    """Kind of random images that a discriminator keeps the generator to; none: no discriminator.
    The authors' second form is `shapes`."""

    @property
    def assumed(self) -> str:
        """Strictly data-free, unless `like` follows rules about what images look like."""
        return knowledge_of([self.like] if self.like else [])

    @property
    def contested(self) -> bool:
        """Whether a discriminator keeps the generator to images: where `like` names a kind."""
        return self.like is not None

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """Student and generator; with `like` a discriminator and an empty memory, too."""
        return self.begin(None, student, oracle, engine, seed)

    def proxies(self, s: DFMSState, spec: InputSpec, n: int) -> Tensor:
        """`n` fresh images [n, *shape] of the kind `like`."""
        assert self.like is not None
        return self.like(spec, n, s.random)
