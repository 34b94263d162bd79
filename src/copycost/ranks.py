"""The processes (ranks) that work on one run together, and what they exchange.

`torchrun` starts them and tells each its rank. Numbers to agree on pass between hosts (gloo),
never through a GPU's stream, so that they wait for no device; tensors stay on their device.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

import torch
import torch.distributed as dist
from torch import Tensor

from copycost.errors import ConfigError, Interrupted

PATIENCE = timedelta(days=1)
"""How long one rank waits for another: long enough for rank 0 to train a victim, or to query a
slow one on the held-out data. Collectives over devices wait half an hour, so a dead GPU shows."""

TOLD = (
    "RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR",
    "MASTER_PORT", "TORCHELASTIC_RUN_ID",
)  # fmt: skip
"""Environment variables by which `torchrun` tells a process its rank."""

_DONE, _INTERRUPTED, _FAILED = range(3)
"""How the block that rank 0 ran first has ended."""


class Ranks:
    """This process's `rank`, from 0, among `count` processes. The default is a single process."""

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        """Several processes must have joined by `torch.distributed` before."""
        self.rank, self.count = rank, count

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which evaluates, displays and writes results for all."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are other ranks."""
        return self.count > 1

    def largest(self, number: int) -> int:
        """The largest of the ranks' numbers, the same on each. All ranks must call it."""
        return max(self.all(number))

    def all(self, number: int) -> list[int]:
        """The ranks' numbers, by rank. All ranks must call it."""
        if not self.several:
            return [number]
        mine = torch.tensor([number])
        numbers = [torch.zeros_like(mine) for _ in range(self.count)]
        dist.all_gather(numbers, mine, group=_host_group())
        return [int(n) for n in numbers]

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over the ranks, on its device. All ranks must call it."""
        if not self.several:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.count

    def mean_to_learn_from(self, value: Tensor) -> Tensor:
        """The mean over the ranks, whose gradient flows through this rank's own `value` alone.

        Gradients of weights are averaged over the ranks afterwards, which makes them those of
        a function of the whole batch's mean. All ranks must call it.
        """
        if not self.several:
            return value
        return value + (self.mean(value) - value).detach()

    def rows(self, mine: Tensor) -> Tensor:
        """Gather the whole batch [count · n, ...] from n rows of each rank. All must call it."""
        if not self.several:
            return mine
        mine = mine.contiguous()
        parts = [torch.empty_like(mine) for _ in range(self.count)]
        dist.all_gather(parts, mine)
        return torch.cat(parts)

    def share(self, whole: Tensor) -> Tensor:
        """This rank's n rows of a batch [count · n, ...] that is the same on all ranks."""
        return whole.chunk(self.count)[self.rank]

    def wait(self) -> None:
        """Wait until all ranks have called this."""
        self.largest(0)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Run the block on rank 0 first, and on the others once it is done there.

        If it raises on rank 0, the others raise too instead of waiting for ever: `Interrupted`
        if rank 0 did, else `ConfigError`.
        """
        if not self.leads:
            self._follow()
            yield
            return
        ended = _FAILED
        try:
            yield
            ended = _DONE
        except Interrupted:
            ended = _INTERRUPTED
            raise
        finally:
            self.largest(ended)

    def _follow(self) -> None:
        ended = self.largest(_DONE)
        if ended == _INTERRUPTED:
            raise Interrupted
        if ended == _FAILED:
            raise ConfigError("Rank 0 failed; its own message says why.")


def launched(environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Numbers of processes that `torchrun` started here and on all machines; (1, 1) without it.

    Raises `ConfigError` if torchrun's variables are incomplete or inconsistent.
    """
    everywhere = _told(environment, "WORLD_SIZE", least=1, default=1)
    if everywhere == 1:
        return 1, 1
    here = _told(environment, "LOCAL_WORLD_SIZE", least=1, default=everywhere)
    for name, ranks in (("RANK", everywhere), ("LOCAL_RANK", here)):
        if _told(environment, name, least=0) >= ranks:
            raise ConfigError(
                f"torchrun: {name} is {environment[name]}; expected less than {ranks}."
            )
    _told(environment, "GROUP_RANK", least=0, default=0)
    _told(environment, "MASTER_PORT", least=1)
    if everywhere % here:
        raise ConfigError(
            f"torchrun: {here} processes on this machine do not divide {everywhere} in all. "
            "Start as many on every machine."
        )
    return here, everywhere


def _told(
    environment: Mapping[str, str], name: str, *, least: int, default: int | None = None
) -> int:
    """The number, at least `least`, in one of torchrun's variables, or `default` if it is unset."""
    text = environment.get(name)
    if text is None and default is not None:
        return default
    if text is not None and text.isdecimal() and int(text) >= least:
        return int(text)
    came = "is not set" if text is None else f"is {text!r}"
    raise ConfigError(
        f"torchrun: {name} {came}; expected a number from {least}. Start all processes by "
        "torchrun, or unset WORLD_SIZE for one process alone."
    )


def leave() -> None:
    """Remove torchrun's variables, which this process's children would inherit."""
    for name in TOLD:
        os.environ.pop(name, None)


def disband() -> None:
    """End this process's part in the group of ranks, if it has joined one.

    For the end of the process: threads of a group that is left to the interpreter's own end abort
    it now and then, and `torchrun` then takes a finished run for a failed one.
    """
    _host_group.cache_clear()
    if dist.is_initialized():
        dist.destroy_process_group()
        gc.collect()  # networks that were wrapped hold the group, in cycles


@cache
def _host_group() -> dist.ProcessGroup:
    """The gloo group, made once per process; all ranks make it together, on first use."""
    group: dist.ProcessGroup = dist.new_group(backend="gloo", timeout=PATIENCE)
    return group
