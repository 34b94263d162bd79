"""Groups of similar images in a pool that has no labels: k-means on thumbnails."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from copycost.noise import Noise
from copycost.pool import Pool

THUMBNAIL = 8
"""Largest side of the thumbnails that are compared."""
CHUNK = 1024
PASSES = 20


def group(pool: Pool, count: int, random: Noise) -> Tensor:
    """The group of each image: [P], int64, in [0, `count`), on the host; a group may be empty."""
    return k_means(_thumbnails(pool), count, random)


def k_means(points: Tensor, count: int, random: Noise) -> Tensor:
    """Lloyd's algorithm on `points` [P, d]: the group [P] of each; a group may end up empty."""
    first = random.uniform(len(points)).argsort(stable=True).cpu()[:count]
    centres = points[first].clone()
    for _ in range(PASSES):
        nearest = _nearest(points, centres)
        sizes = torch.bincount(nearest, minlength=len(centres))
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = torch.where(sizes[:, None] > 0, sums / sizes.clamp(min=1)[:, None], centres)
    return _nearest(points, centres)


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    return torch.cat(
        [torch.cdist(part, centres).argmin(dim=1) for part in torch.split(points, CHUNK)]
    )


def _thumbnails(pool: Pool) -> Tensor:
    """Thumbnails [P, d], computed on the host: sums on an accelerator may vary between runs."""
    height, width = (min(side, THUMBNAIL) for side in pool.spec.shape[1:])
    parts = [pool.floats(part) for part in torch.split(torch.arange(len(pool)), CHUNK)]
    return torch.cat([adaptive_avg_pool2d(part, (height, width)).flatten(1) for part in parts])
