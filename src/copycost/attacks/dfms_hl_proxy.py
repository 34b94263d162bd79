"""DFMS-HL with proxy images: a pool that looks somewhat like what the victim was trained on."""

from __future__ import annotations

from typing import ClassVar

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.dfms import DFMS, DFMSState
from copycost.engine import Engine
from copycost.oracle.base import Oracle
from copycost.pool import Pool
from copycost.settings import SETTINGS
from copycost.types import InputSpec


@dataclass(frozen=True, config=SETTINGS)
class DFMSHLProxy(DFMS):
    """DFMS-HL whose proxies are images of a pool, some of which are queried first."""

    knowledge: ClassVar[str] = "proxy"
    needs_pool: ClassVar[bool] = True
    contested: ClassVar[bool] = True

    def begin(
        self, pool: Pool | None, student: nn.Module, oracle: Oracle, engine: Engine, seed: int
    ) -> DFMSState:
        """The state before the first query; the order of the pool's images comes from `seed`."""
        s = super().begin(pool, student, oracle, engine, seed)
        order = s.random.uniform(len(_pool(s))).argsort(stable=True).cpu()
        s.queue = order[: s.proxies]
        s.proxies = len(s.queue)
        return s

    def proxies(self, s: DFMSState, spec: InputSpec, n: int) -> Tensor:
        """`n` random images [n, *shape] of the pool, with replacement."""
        pool = _pool(s)
        return pool.floats(s.random.integers(n, len(pool)).cpu(), s.engine.device)

    def next_proxies(self, s: DFMSState, spec: InputSpec, n: int) -> Tensor:
        """The next `n` images [n, *shape] of the pool, none of which was queried before."""
        return _pool(s).floats(s.queue[:n], s.engine.device)


def _pool(s: DFMSState) -> Pool:
    assert s.pool is not None
    return s.pool
