"""Run several batches through a network together, with batch norm applied to each by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

PLACES = 128 * 8 * 8
"""Pixels of images that a CPU makes at once. With many more, the activations between layers do not
fit its cache; with fewer, calling the layers takes longer than their computation."""


class BatchNorm(nn.BatchNorm2d):
    """A batch norm that can take several batches, concatenated, and norm each by itself."""

    apart: int | None = None
    """Images in each of these batches; None if the input is a single batch."""

    def forward(self, x: Tensor) -> Tensor:
        """Norm [N, C, H, W]; with `apart`, each batch by itself, in order and without a gradient.

        The result and the running statistics equal those of one call per batch, bit for bit.
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
    """Outputs of `call`, which runs `network`, for `batches` [n, ...], as of one after the other.

    Small batches run together. `places` are the pixels of one generated image. No gradients.
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
