"""DFME's generator, for images of any size that divides by 4 and any number of channels.

Source: Truong et al., Data-Free Model Extraction, CVPR 2021 (arXiv:2011.14779), "Generator A"
of the authors' code, which they took from DFAD (arXiv:1912.11006); DisGUIDE, Dual Student and
DualCOS use the same. Their images are 3x32x32, so the linear layer gives 8x8.
"""

from __future__ import annotations

from torch import Tensor, nn

from copycost.errors import ConfigError, SpecMismatch
from copycost.nets.apart import BatchNorm
from copycost.nets.generator import Generator
from copycost.nets.images import image_shape
from copycost.types import InputSpec


class DFMEGenerator(Generator):
    """A linear layer to a quarter of the size; twice upsampling and convolution; a convolution.

    The last batch norm has no learnt scale or shift, so that in training each channel of the
    output has mean 0 and variance 1 whatever the weights, and cannot saturate the squash
    everywhere.
    """

    def __init__(self, spec: InputSpec, latent: int = 256, width: int = 128) -> None:
        """Make images of `spec` from latents [N, `latent`]; `width` channels at the widest.

        Raises `SpecMismatch` where the image's sides do not divide by 4, `ConfigError` where
        `latent` or `width` cannot be used.
        """
        _check(latent, width)
        super().__init__(spec, latent)
        channels, *self.start = _quartered(spec)
        self.width = width
        self.linear = nn.Linear(latent, width * self.start[0] * self.start[1])
        self.layers = nn.Sequential(
            BatchNorm(width),
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(width, width, 3, padding=1),
            BatchNorm(width),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(width, width // 2, 3, padding=1),
            BatchNorm(width // 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width // 2, channels, 3, padding=1),
            BatchNorm(channels, affine=False),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Map latents [N, Z] to images [N, C, H, W] before the squash, unbounded."""
        x = self.linear(z).unflatten(1, (self.width, *self.start))
        images: Tensor = self.layers(x)
        return images


def _check(latent: int, width: int) -> None:
    problems = []
    if latent < 1:
        problems.append(f"A generator's latent must be at least 1, got {latent}.")
    if width < 2 or width % 2:
        problems.append(f"A generator's width must be even and at least 2, got {width}.")
    if problems:
        raise ConfigError(*problems)


def _quartered(spec: InputSpec) -> tuple[int, int, int]:
    channels, height, width = image_shape(spec)
    if height % 4 or width % 4:
        raise SpecMismatch(
            "images whose height and width divide by 4",
            f"{height}x{width}",
            "the DFME generator enlarges twice by 2; pad or resize the images, or choose "
            "an attack without a generator",
        )
    return channels, height // 4, width // 4
