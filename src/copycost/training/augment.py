"""Random crops and flips of a whole batch at once, on the device of the batch.

Both only move pixels, so they take images of any type (bytes need a quarter of the memory traffic
of floats) and any range, and leave every value as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor


def augment(images: Tensor, crop: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Shift each of `images` [N, C, H, W] by up to `crop` pixels and mirror half of them.

    `generator` must be on the images' device. Raises `ValueError` if `crop` is not below both H
    and W, as there is not that much to reflect.
    """
    count, device = len(images), images.device
    if crop:
        shifts = torch.randint(
            -crop, crop + 1, (2, count), generator=generator, device=device, dtype=torch.int64
        )
        images = shift(images, shifts[0], shifts[1], crop)
    if flip:
        coins = torch.rand(count, generator=generator, device=device)
        images = mirror(images, coins < 0.5)
    return images


def shift(images: Tensor, down: Tensor, right: Tensor, most: int) -> Tensor:
    """Look at each image through a window moved `down` and `right` pixels ([N], int64).

    This equals padding by reflection and cropping, without the padded copy. No shift may exceed
    `most`; this is not checked, so as not to wait for the device.
    """
    height, width = images.shape[2:]
    if most >= min(height, width):
        raise ValueError(f"crops of {most} pixels reflect more than a {height}x{width} image has")
    rows = _reflected(torch.arange(height, device=images.device) + down[:, None], height)
    columns = _reflected(torch.arange(width, device=images.device) + right[:, None], width)
    return _pick(images, rows, columns)


def mirror(images: Tensor, which: Tensor) -> Tensor:
    """Mirror left to right those of `images` [N, C, H, W] that `which` ([N], bool) marks."""
    return torch.where(which[:, None, None, None], images.flip(3), images)


def _reflected(positions: Tensor, size: int) -> Tensor:
    """Fold positions beyond [0, size) back in; the edge pixel itself is not repeated."""
    last = size - 1
    return last - (last - positions.abs()).abs()


def _pick(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Pixel (rows[n, i], columns[n, j]) of every channel of image n, as [N, C, H, W]."""
    n = torch.arange(len(images), device=images.device)[:, None, None, None]
    c = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return images[n, c, rows[:, None, :, None], columns[:, None, None, :]]
