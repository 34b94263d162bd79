"""Global average pooling, in an order that keeps the backward pass cheap."""

from __future__ import annotations

from torch import Tensor, nn


class GlobalAverage(nn.Module):
    """The mean over all pixels, [N, C, H, W] to [N, C].

    It sums first and divides then. The gradient of PyTorch's mean is a whole image, divided pixel
    by pixel and laid out channels first, which slows down the layers before it; that of a sum is
    one number per channel.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Average each channel."""
        return x.sum(dim=(2, 3)) / (x.shape[2] * x.shape[3])
