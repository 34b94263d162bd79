"""A pool: unlabelled images that an attacker has, converted to the victim's input shape.

A pool holds no labels and no way to find them. The runner makes it from a data set's training
images and hands it to the attack, which imports no data sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from copycost.errors import ConfigError
from copycost.hashes import hash_of
from copycost.levels import dequantise
from copycost.types import InputSpec, Modality

IN_DISTRIBUTION = "in-distribution"
"""Knowledge of an attacker whose pool is the victim's own training data."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""
CHUNK = 512
"""Images resized at a time."""


# eq=False: comparing tensors gives a tensor, so a generated __eq__ could only raise.
@dataclass(frozen=True, eq=False)
class Pool:
    """P images of the shape that `spec` declares, and where they came from."""

    images: Tensor
    """[P, *spec.shape], uint8, on the host."""
    spec: InputSpec
    name: str
    """Provenance, as figures print it."""
    conversion: str = ""
    """How the images were converted to the victim's shape; '' if they were not."""
    origin: str = ""
    """The collection that the images come from (`Dataset.origin`); '' stands for `name`."""

    def __post_init__(self) -> None:
        """Raise `ConfigError` unless the images are bytes of the spec's shape, one or more."""
        if self.images.dtype != torch.uint8 or self.images.shape[1:] != self.spec.shape:
            raise ConfigError(
                f"pool: expected uint8 images [P, {', '.join(map(str, self.spec.shape))}], "
                f"got {self.images.dtype} {list(self.images.shape)}."
            )
        if not len(self.images):
            raise ConfigError("pool: expected at least one image, got none.")

    @classmethod
    def fitting(cls, images: Tensor, spec: InputSpec, name: str, origin: str = "") -> Pool:
        """A pool of `images` [P, C, H, W], uint8 of any size, converted where `spec` differs.

        Colours come first: RGB becomes grey by luma, grey becomes any number of equal channels.
        Then the size: bilinear, with PyTorch's antialiasing, ignoring the aspect ratio.
        Raises `ConfigError` for a victim that takes no images, or for any other change of channels.
        """
        if spec.modality is not Modality.IMAGE:
            raise ConfigError(f"pool: {name} holds images, and the victim takes {spec.modality}.")
        channels, height, width = spec.shape
        coloured, colours = _recoloured(images, channels, name)
        resized, sizes = _resized(coloured, height, width)
        conversion = "; ".join(text for text in (colours, sizes) if text)
        return cls(resized, spec, name, conversion, origin)

    def __len__(self) -> int:
        """P."""
        return len(self.images)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the images in order, computed once; saved indices are valid for it alone."""
        return hash_of(self.images)

    def floats(self, which: Tensor, device: torch.device | str | None = None) -> Tensor:
        """Images [n, *shape] of indices `which` ([n], on the host), float32 in the spec's range."""
        # Moved as bytes: they cross to an accelerator four times faster than floats.
        return dequantise(self.images[which].to(device), self.spec)


def _recoloured(images: Tensor, channels: int, name: str) -> tuple[Tensor, str]:
    found = images.shape[1]
    if found == channels:
        return images, ""
    if found == 1:
        return images.expand(-1, channels, -1, -1).contiguous(), f"grey to {channels} channels"
    if (found, channels) == (3, 1):
        weights = torch.tensor(LUMA)[:, None, None]
        parts = [
            _bytes((c.float() * weights).sum(1, keepdim=True)) for c in torch.split(images, CHUNK)
        ]
        return torch.cat(parts), "RGB to grey by luma"
    raise ConfigError(
        f"pool: {name} has {found} channels, and there is no rule to make {channels} of them. "
        f"Name a pool of grey images, or of {channels} channels."
    )


def _resized(images: Tensor, height: int, width: int) -> tuple[Tensor, str]:
    h, w = images.shape[2:]
    if (h, w) == (height, width):
        return images, ""
    parts = [
        _bytes(interpolate(chunk.float(), (height, width), mode="bilinear", antialias=True))
        for chunk in torch.split(images, CHUNK)
    ]
    return torch.cat(parts), f"{h}×{w} to {height}×{width}, bilinear"


def _bytes(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)
