"""Random numbers that do not depend on how many processes share a batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from copycost.errors import RunError
from copycost.ranks import Ranks


def restore_stream(generator: torch.Generator, state: Tensor) -> None:
    """Restore `generator` from `state`; `RunError` if that is of another kind of device."""
    try:
        generator.set_state(state)
    except (RuntimeError, TypeError):
        raise RunError(
            "The random numbers of this checkpoint are those of another kind of device than "
            f"{generator.device.type}, and cannot go on here. Resume it on a machine like the one "
            "that it was begun on, or start over in another folder."
        ) from None


class Noise:
    """A stream of random numbers on one device, the same on every rank.

    Each rank draws all rows of the whole batch and keeps its own, so that R ranks with N/R
    rows each see what one rank with N rows would. Drawing is cheap compared with any network.
    """

    def __init__(self, seed: int, device: torch.device, ranks: Ranks | None = None) -> None:
        """`seed` must be the same on all `ranks`."""
        self.device, self._ranks = device, ranks or Ranks()
        self._generator = torch.Generator(device).manual_seed(seed)

    def normal(self, n: int, *shape: int) -> Tensor:
        """Standard normal numbers [n, *shape], float32."""
        return self._rows(torch.randn, n, *shape)

    def uniform(self, n: int, *shape: int) -> Tensor:
        """Numbers [n, *shape] uniform in [0, 1), float32."""
        return self._rows(torch.rand, n, *shape)

    def integers(self, n: int, below: int, *shape: int) -> Tensor:
        """Whole numbers [n, *shape] uniform in [0, below), int64."""
        return self._rows(partial(torch.randint, below), n, *shape)

    def places(self, n: int) -> Tensor:
        """Indices [n], int64, of this rank's `n` rows in the whole batch."""
        return self._rows(lambda whole, **_: torch.arange(*whole, device=self.device), n)

    def of(self, rows: Tensor, whole: int) -> Noise:
        """This stream for `rows` [k] out of `whole`: each row gets the numbers it has among all.

        Drawing k rows advances the stream by all `whole` rows, whatever k is, so that the numbers
        of a row depend neither on which other rows are drawn nor on the number of ranks.
        """
        return _Part(self, rows, whole)

    def state(self) -> Tensor:
        """The current state of the stream, to be saved."""
        return self._generator.get_state()

    def restore(self, state: Tensor) -> None:
        """Continue from a saved `state`."""
        restore_stream(self._generator, state)

    def _rows(self, draw: Callable[..., Tensor], n: int, *shape: int) -> Tensor:
        whole = (self._ranks.count * n, *shape)
        return self._ranks.share(draw(whole, generator=self._generator, device=self.device))


class _Part(Noise):
    """A stream that keeps only some rows of what another stream draws."""

    def __init__(self, stream: Noise, rows: Tensor, whole: int) -> None:
        self.device, self._generator = stream.device, stream._generator
        self._stream, self._kept, self._whole = stream, rows, whole

    def _rows(self, draw: Callable[..., Tensor], n: int, *shape: int) -> Tensor:
        return self._stream._rows(draw, self._whole, *shape)[self._kept]
