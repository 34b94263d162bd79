"""A discriminator: how likely an image is a real one, for images of any size from 4x4."""

from __future__ import annotations

from torch import Tensor, nn

from copycost.nets.images import image_shape
from copycost.types import InputSpec

DEEPEST = 4
"""Most halvings of a side, as in DCGAN's discriminator for 32x32 and in DFMS-HL's."""


class Discriminator(nn.Module):
    """DCGAN's stack of convolutions of stride 2 (Radford et al. 2016), without batch norm.

    Without batch norm, real and generated images can share one batch.
    """

    def __init__(self, spec: InputSpec, width: int = 64) -> None:
        """Look at images of `spec`; `width` channels after the first convolution.

        Raises `SpecMismatch` for inputs that are no images, or smaller than 4x4.
        """
        super().__init__()
        channels, height, width_of_image = image_shape(spec, at_least=4)
        layers: list[nn.Module] = []
        depth = 0
        while min(height, width_of_image) >= 4 and depth < DEEPEST:
            wider = width * 2**depth
            layers += [nn.Conv2d(channels, wider, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            channels, height, width_of_image = wider, height // 2, width_of_image // 2
            depth += 1
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(channels * height * width_of_image, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, C, H, W] -> the logit [N] of being real."""
        scores: Tensor = self.last(self.layers(x).flatten(1)).squeeze(1)
        return scores
