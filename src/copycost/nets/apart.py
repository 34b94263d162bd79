"""Batches that go through a network together, and are normed as if each went by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

PLACES = 128 * 8 * 8
"""Places of images that a CPU makes at once. Of many more, what one layer leaves for the next is
larger than its cache; of fewer, calling the layers takes longer than what they compute."""


class BatchNorm(nn.BatchNorm2d):
    """A batch norm that may be given several batches as one."""

    apart: int | None = None
    """Images of each of these batches; None where all are of one."""

    def forward(self, x: Tensor) -> Tensor:
        """Norm [N, C, H, W]; where batches are kept apart, each, in their order. No gradient then.

        Bit for bit what calling it with one after the other gives, running statistics too.
        """
        if self.apart is None or not self.training:
            return super().forward(x)
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        normed, (mean, scale) = torch.empty_like(x), torch.empty(2, x.shape[1])
        weights = (self.weight, self.bias, self.running_mean, self.running_var)
        for batch, place in zip(*(torch.split(t, self.apart) for t in (x, normed)), strict=True):
            out = (place, mean, scale)
            torch.native_batch_norm(batch, *weights, True, self.momentum, self.eps, out=out)
        self.num_batches_tracked += len(x) // self.apart
        return normed


def each(
    network: nn.Module, call: Callable[[Tensor], Tensor], batches: list[Tensor], places: int
) -> list[Tensor]:
    """What `call`, which runs `network`, makes of `batches` [n, ...], as of one after the other.

    Small ones go together; `places` are those of one image that is made. Without gradients.
    """
    n = len(batches[0])
    most = PLACES // (n * places)
    if most < 2 or not _can_keep_apart(network):
        return [call(batch) for batch in batches]
    even = math.ceil(len(batches) / math.ceil(len(batches) / most))
    with _kept_apart(network, n):
        made = [call(torch.cat(batches[i : i + even])) for i in range(0, len(batches), even)]
    return [images for several in made for images in torch.split(several, n)]


def _can_keep_apart(network: nn.Module) -> bool:
    norms = [part for part in network.modules() if isinstance(part, _BatchNorm)]
    return all(isinstance(norm, BatchNorm) for norm in norms if norm.training)


@contextmanager
def _kept_apart(network: nn.Module, images: int) -> Iterator[None]:
    norms = [part for part in network.modules() if isinstance(part, BatchNorm)]
    for norm in norms:
        norm.apart = images
    try:
        yield
    finally:
        for norm in norms:
            norm.apart = None
