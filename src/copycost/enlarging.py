"""Enlarging by two, then convolving 3×3: the same function with fewer than half of the products.

Four values of the enlarged image are alike, so each of the four outputs over one place is a 2×2
convolution of the small image, whose weights are sums of the 3×3 ones. All four together are one
convolution with four times the channels. What it brings is in docs/performance.md; on a GPU it
has not been measured.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

LEAST = 64
"""Places of an image from which on it pays: below, laying values out costs more than is saved."""

_SUMS = (((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)), ((1.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
"""[even or odd output, tap of the 2, tap of the 3]: which of three weights meet one value."""


class Enlarging(nn.Conv2d):
    """`nn.Upsample(scale_factor=2)`, then `conv`, whose weights it shares under their names.

    It is a convolution still, so that what draws new weights for one does so here.
    """

    sums: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        """`conv` is 3×3 with a frame of one zero."""
        bias = conv.bias is not None
        # On no device: drawing weights that are dropped at once would use up random numbers.
        super().__init__(
            conv.in_channels, conv.out_channels, 3, padding=1, bias=bias, device="meta"
        )
        self.weight, self.bias = conv.weight, conv.bias
        self.register_buffer("sums", torch.tensor(_SUMS), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, D, 2 · H, 2 · W]."""
        (n, _, h, w), d = x.shape, len(self.weight)
        if h * w < LEAST:
            return conv2d(interpolate(x, scale_factor=2), self.weight, self.bias, padding=1)
        kernels = torch.einsum("pak,qbl,dckl->pqdcab", self.sums, self.sums, self.weight)
        bias = None if self.bias is None else self.bias.repeat(4)
        y = conv2d(x, kernels.flatten(0, 2), bias, padding=1)
        y = y.permute(0, 2, 3, 1).reshape(n, h + 1, w + 1, 2, 2, d)
        rows = [
            torch.stack([y[:, p : p + h, q : q + w, p, q] for q in (0, 1)], dim=3) for p in (0, 1)
        ]
        return torch.stack(rows, dim=2).reshape(n, 2 * h, 2 * w, d).permute(0, 3, 1, 2)


def merged(network: nn.Module) -> nn.Module:
    """`network`, in whose sequences every such pair of layers became one; weights stay in place."""
    for layers in [part for part in network.modules() if isinstance(part, nn.Sequential)]:
        for i, (first, second) in enumerate(pairwise(list(layers))):
            if _doubles(first) and isinstance(second, nn.Conv2d) and _is_plain(second):
                layers[i], layers[i + 1] = nn.Identity(), Enlarging(second)
    return network


def _doubles(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Upsample) and (layer.scale_factor, layer.mode) == (2.0, "nearest")


def _is_plain(conv: nn.Conv2d) -> bool:
    shape = (conv.kernel_size, conv.padding, conv.stride, conv.dilation, conv.groups)
    return shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and conv.padding_mode == "zeros"
