"""Pools of unlabelled images, made from the training images of a data set."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from torch import Tensor

from copycost.attacks.base import Attack
from copycost.datasets import load
from copycost.errors import ConfigError
from copycost.pool import IN_DISTRIBUTION, Pool
from copycost.presets.victims import VICTIMS
from copycost.runner.config import RunConfig
from copycost.runner.own_target import is_own
from copycost.runner.record import PoolFacts
from copycost.runner.target import Target
from copycost.types import InputSpec


def load_pool(config: RunConfig, attack: Attack, spec: InputSpec) -> Pool | None:
    """The pool of `config`, converted to `spec`; None for an attack that takes none.

    An attack that assumes the victim's own data gets its training images. Raises `ConfigError`
    for data that is not named or cannot be converted, `DataError` for damaged files.
    """
    if not attack.needs_pool:
        return None
    reference = config.pool
    if attack.knowledge == IN_DISTRIBUTION:
        reference = config.data or _data_of(config.victim)
    if reference is None:
        advice = "Name the data set that it was trained on, e.g. --data cifar10."
        if is_own(config.victim):  # --data would be refused, as the target brings its held-out data
            advice = "For a target of your own, run it from Python with RunConfig(data=…)."
        raise ConfigError(f"data: {config.attack} takes the victim's own training images. {advice}")
    images, provenance, origin = _training_images(reference)
    return Pool.fitting(images, spec, provenance, origin)


def check_pools(runs: Iterable[RunConfig]) -> None:
    """Raise, as `load_pool` does, for a pool that cannot be read; no victim is needed for this."""
    for reference in {run.pool for run in runs if run.pool is not None}:
        _training_images(reference)


def check_pool_fits(run: RunConfig, spec: InputSpec) -> None:
    """Raise `ConfigError` for a pool that cannot be converted to `spec`; one image is tried."""
    if run.pool is not None:
        images, provenance, _ = _training_images(run.pool)
        Pool.fitting(images[:1], spec, provenance)


def pool_facts(pool: Pool | None) -> PoolFacts | None:
    """The record's entry on the pool."""
    if pool is None:
        return None
    return PoolFacts(name=pool.name, size=len(pool), conversion=pool.conversion)


def knowledge(attack: Attack, pool: Pool | None, target: Target) -> str:
    """What the attacker is assumed to know.

    A pool from the victim's own data counts as in-distribution, even at another size or in
    another encoding.
    """
    assumed = attack.assumes(target.victim.spec)
    if pool is None:
        return assumed
    own = (pool.origin or pool.name) == (target.origin or target.dataset)
    return IN_DISTRIBUTION if own else assumed


def _data_of(victim: str) -> str | None:
    return VICTIMS[victim].dataset if victim in VICTIMS else None


# Cached, as several runs of an audit share a pool, and reading or rendering one takes seconds.
@lru_cache(maxsize=2)
def _training_images(reference: str) -> tuple[Tensor, str, str]:
    """Images [P, C, H, W] without their labels, their provenance and their collection."""
    dataset = load(reference)
    return dataset.train.inputs, dataset.provenance, dataset.origin
