"""The processes that work on one run together, and the few things they have to agree on.

They are started by `torchrun`, which tells each its rank. What is agreed here passes between
hosts (gloo), never through a GPU's stream, so that nothing waits for a device.
"""

from __future__ import annotations

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
"""How long one rank waits for another: long enough for rank 0 to train a victim, or to ask a slow
one about the held-out data. Collectives over devices wait half an hour: a dead GPU shows."""

TOLD = (
    "RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR",
    "MASTER_PORT", "TORCHELASTIC_RUN_ID",
)  # fmt: skip
"""The variables by which `torchrun` tells a process its place."""

_DONE, _INTERRUPTED, _FAILED = range(3)
"""How what rank 0 did first has ended."""


class Ranks:
    """This process among `count` of them, as number `rank` from 0. One process is the default."""

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        """Processes must have been joined by `torch.distributed` if there are several."""
        self.rank, self.count = rank, count

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which evaluates, shows and writes what all share."""
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
        """The mean over the ranks, with the gradient of this rank's own part alone.

        Gradients of weights are averaged over the ranks afterwards, which makes them those of
        a function of the whole batch's mean. All ranks must call it.
        """
        if not self.several:
            return value
        return value + (self.mean(value) - value).detach()

    def rows(self, mine: Tensor) -> Tensor:
        """The whole batch [count · n, ...] of which each rank has n rows. All must call it."""
        if not self.several:
            return mine
        mine = mine.contiguous()
        parts = [torch.empty_like(mine) for _ in range(self.count)]
        dist.all_gather(parts, mine)
        return torch.cat(parts)

    def share(self, whole: Tensor) -> Tensor:
        """This rank's n rows of a batch [count · n, ...] that all ranks hold alike."""
        return whole.chunk(self.count)[self.rank]

    def wait(self) -> None:
        """Wait until all ranks have come here."""
        self.largest(0)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """The block runs on rank 0, and on the others when it is done there.

        If it raises on rank 0 the others raise too, rather than wait for ever: `Interrupted`
        where it did so there.
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
            raise ConfigError(["Rank 0 failed; its own message says why."])


def launched(environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """How many processes `torchrun` started on this machine, and on all machines: (1, 1) without.

    Raises `ConfigError` where what it says is incomplete or does not fit together.
    """
    everywhere = _told(environment, "WORLD_SIZE", least=1, default=1)
    if everywhere == 1:
        return 1, 1
    here = _told(environment, "LOCAL_WORLD_SIZE", least=1, default=everywhere)
    for name, ranks in (("RANK", everywhere), ("LOCAL_RANK", here)):
        if _told(environment, name, least=0) >= ranks:
            raise ConfigError(
                [f"torchrun: {name} is {environment[name]}; expected less than {ranks}."]
            )
    _told(environment, "GROUP_RANK", least=0, default=0)
    _told(environment, "MASTER_PORT", least=1)
    if everywhere % here:
        raise ConfigError(
            [f"torchrun: {here} processes on this machine do not divide {everywhere} in all."]
        )
    return here, everywhere


def _told(
    environment: Mapping[str, str], name: str, *, least: int, default: int | None = None
) -> int:
    """The number in one of torchrun's variables; without a `default` it must be there."""
    text = environment.get(name)
    if text is None and default is not None:
        return default
    if text is not None and text.isdecimal() and int(text) >= least:
        return int(text)
    came = "is not set" if text is None else f"is {text!r}"
    raise ConfigError(
        [
            f"torchrun: {name} {came}; expected a number from {least}. Start all processes by "
            "torchrun, or unset WORLD_SIZE for one process alone."
        ]
    )


def leave() -> None:
    """Forget what `torchrun` told this process, and what its children would inherit."""
    for name in TOLD:
        os.environ.pop(name, None)


@cache
def _host_group() -> dist.ProcessGroup:
    """Made once a process, by all ranks at the same moment: their first agreement."""
    group: dist.ProcessGroup = dist.new_group(backend="gloo", timeout=PATIENCE)
    return group
