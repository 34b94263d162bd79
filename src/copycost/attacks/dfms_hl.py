"""DFMS-HL without a pool: with no proxies, or with random images as proxies."""

from __future__ import annotations

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.dfms import DFMS, DFMSState
from copycost.attacks.sources import SourceSetting, knowledge_of
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.oracle.base import Oracle
from copycost.settings import SETTINGS
from copycost.types import InputSpec


@dataclass(frozen=True, config=SETTINGS)
class DFMSHL(DFMS):
    """DFMS-HL without a pool. Without proxies the generator learns from the student alone."""

    like: SourceSetting | None = None
    """Kind of random images that serve as proxies; None for no proxies and no discriminator. The
    authors' synthetic proxies are `shapes`."""

    def assumes(self, spec: InputSpec) -> str:
        """Strictly data-free, unless `like` follows rules about what images look like."""
        return knowledge_of([self.like] if self.like else [])

    @property
    def contested(self) -> bool:
        """Whether there are proxies and a discriminator: where `like` names a kind of image."""
        return self.like is not None

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """Student and generator; with `like`, also a discriminator and an empty memory."""
        return self.begin(None, student, oracle, engine, seed)

    def proxies(self, s: DFMSState, spec: InputSpec, n: int) -> Tensor:
        """`n` fresh images [n, *shape] of the kind `like`."""
        assert self.like is not None
        return self.like(spec, n, s.random)
