"""Random views of a batch of images: weak ones, and strong ones that still show the same object.

Every image gets its own view, from the attack's own random numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from copycost.noise import Noise
from copycost.types import InputSpec

TURN = math.pi / 6
SHEAR = 0.3
ZOOM = math.log(1.4)
CONTRAST = math.log(3.0)
BRIGHTNESS = 0.4
"""Largest change of all values, as a share of the range."""
CUT = 0.5
"""Largest side of the rectangle cut out, as a share of the image's side."""


def weak(x: Tensor, spec: InputSpec, random: Noise, shift: float, flip: bool) -> Tensor:
    """Each of `x` [N, C, H, W] shifted by whole pixels and, if `flip`, mirrored in half the cases.

    `shift` is the largest shift, as a share of a side.
    """
    straight = torch.eye(2, device=x.device).expand(len(x), 2, 2)
    return _sampled(x, _placed(straight, x, random, shift, flip), spec)


def strong(x: Tensor, spec: InputSpec, random: Noise, shift: float, flip: bool) -> Tensor:
    """Each of `x` [N, C, H, W] shifted, rotated or sheared or zoomed, recoloured, partly cut out.

    `shift` and `flip` are as in `weak`.
    """
    height, width = x.shape[2:]
    bent = _sampled(x, _placed(_bent(len(x), width / height, random), x, random, shift, flip), spec)
    return _cut(_recoloured(bent, spec, random), spec, random)


def _bent(n: int, aspect: float, random: Noise) -> Tensor:
    """Random matrices [n, 2, 2], each a rotation, a shear or a zoom; `aspect` is width / height."""
    kind, size = random.integers(n, 3), 2 * random.uniform(n) - 1
    angle, shear, zoom = (
        size * most * (kind == which) for which, most in enumerate((TURN, SHEAR, ZOOM))
    )
    cos, sin = angle.cos(), angle.sin()
    # Both sides of PyTorch's sampling grid are 2 long, whatever the image's are.
    across, down = (cos * shear - sin) / aspect, sin * aspect
    rows = torch.stack([cos, across, down, sin * shear + cos], dim=1).view(n, 2, 2)
    return rows * zoom.exp()[:, None, None]


def _placed(matrices: Tensor, x: Tensor, random: Noise, shift: float, flip: bool) -> Tensor:
    """Affine maps [N, 2, 3]: `matrices` [N, 2, 2], half of them mirrored, with a random shift."""
    n, height, width = len(x), *x.shape[2:]
    if flip:
        sign = torch.where(random.uniform(n) < 0.5, -1.0, 1.0)
        matrices = torch.stack([matrices[:, :, 0] * sign[:, None], matrices[:, :, 1]], dim=2)
    far = 2 * random.uniform(n, 2) - 1
    moves = [_whole_pixels(far[:, i], side, shift) for i, side in enumerate((width, height))]
    return torch.cat([matrices, torch.stack(moves, dim=1)[:, :, None]], dim=2)


def _whole_pixels(far: Tensor, side: int, shift: float) -> Tensor:
    """Shifts of whole pixels, in grid units: `far` [N] in [-1, 1] is a share of the largest."""
    most = round(side * shift)
    return 2 * (far * (most + 0.5)).round().clamp(-most, most) / side


def _sampled(x: Tensor, maps: Tensor, spec: InputSpec) -> Tensor:
    grid = affine_grid(maps, list(x.shape), align_corners=False)
    seen = grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    return seen.clamp(spec.low, spec.high)


def _recoloured(x: Tensor, spec: InputSpec, random: Noise) -> Tensor:
    """Each of `x` with another contrast or another brightness."""
    size = (2 * random.uniform(len(x)) - 1)[:, None, None, None]
    contrast = (random.uniform(len(x)) < 0.5)[:, None, None, None]
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    spread = middle + (x - middle) * (size * CONTRAST).exp()
    moved = x + size * BRIGHTNESS * spec.span
    return torch.where(contrast, spread, moved).clamp(spec.low, spec.high)


def _cut(x: Tensor, spec: InputSpec, random: Noise) -> Tensor:
    """Each of `x` with a mid-grey rectangle anywhere over it, of up to half its sides."""
    masks = []
    half = random.uniform(len(x))[:, None] * CUT / 2
    for side in x.shape[2:]:
        places = (torch.arange(side, device=x.device) + 0.5) / side
        masks.append((places - random.uniform(len(x))[:, None]).abs() < half)
    inside = masks[0][:, None, :, None] & masks[1][:, None, None, :]
    return torch.where(inside, spec.middle, x)
