"""Images from networks that were never trained, a fresh one for every image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate, leaky_relu, pad

from copycost.noise import Noise
from copycost.types import InputSpec

Source = Callable[[InputSpec, int, Noise], Tensor]
"""(spec, n, random) -> n inputs [n, *shape] in the spec's range."""

CPU_PATCHES, PATCHES = 2**19, 2**24
"""Values of the 3×3 patches that are unfolded at once: 2 MiB on a CPU, whose cache holds them,
and 64 MiB elsewhere."""


def untrained(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Images from untrained convolutional networks, a fresh one for every image.

    Each starts from 16 channels of 4×4 normal numbers; it doubles the size, convolves 3×3 and
    normalises until the image's size is reached, as image generators do. Nothing is learnt.
    """
    return paled(_by_convolutions(spec, n, random), spec, random)


def _by_convolutions(spec: InputSpec, n: int, random: Noise) -> Tensor:
    channels, height, width = spec.shape
    side, inner = 4, 16
    x = random.normal(n, inner, side, side)
    while side < max(height, width):
        side *= 2
        x = _resized(x, side, side)
        x = leaky_relu(_convolved(x, random.normal(n, inner, 9 * inner)), 0.2)
        gain = torch.exp(0.5 * random.normal(n, inner, 1, 1))
        x = gain * _standard(x, axes=(2, 3)) + 0.5 * random.normal(n, inner, 1, 1)
    x = _convolved(_resized(x, height, width), random.normal(n, channels, 9 * inner))
    return exposed(x - x.mean(dim=(2, 3), keepdim=True), spec, random)


def coordinates(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Images from untrained networks of pixel coordinates, a fresh one for every image.

    Three layers of 16 units map coordinates to channels, first by sine waves, then by steep tanh:
    stripes, patches and edges at any angle (Stanley 2007 calls such networks CPPNs).
    """
    return paled(_by_place(spec, n, random), spec, random)


def _by_place(spec: InputSpec, n: int, random: Noise) -> Tensor:
    channels, inner = spec.shape[0], 16
    x = _waves(spec, n, random, inner)
    for _ in range(2):
        steepness = 2 * torch.exp(random.normal(n, 1, 1) + 0.5)
        mixed = x @ (random.normal(n, inner, inner) / math.sqrt(inner))
        x = torch.tanh(steepness * mixed + random.normal(n, 1, inner))
    x = (x @ random.normal(n, inner, channels)).transpose(1, 2).reshape(n, *spec.shape)
    tinted = _standard(x, axes=(1, 2, 3)) + 0.7 * random.normal(n, channels, 1, 1)
    return exposed(tinted, spec, random)


def _waves(spec: InputSpec, n: int, random: Noise, number: int) -> Tensor:
    """Plane waves [n, H · W, `number`] over an image's pixels, of one frequency scale per image."""
    place = torch.cartesian_prod(
        *(torch.linspace(-1, 1, side, device=random.device) for side in spec.shape[1:])
    )
    frequency = torch.exp(2.5 * random.uniform(n, 1, 1) - 0.5)
    phase = 2 * math.pi * random.uniform(n, 1, number)
    return torch.sin(1.5 * frequency * (place @ random.normal(n, 2, number)) + phase)


def winners(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Flat colours from untrained networks of pixel coordinates, a fresh one for every image.

    The last layer has eight units with a colour each; every pixel has the colour of its strongest
    unit. Another untrained network's image is blended in with a weight of up to 0.6.
    """
    return paled(_filmed_winners(spec, n, random), spec, random)


def _filmed_winners(spec: InputSpec, n: int, random: Noise) -> Tensor:
    return filmed(_by_winners(spec, n, random, units=8), spec, random)


def _by_winners(spec: InputSpec, n: int, random: Noise, units: int) -> Tensor:
    """Each pixel has the colour of its strongest unit, after two layers."""
    channels, inner = spec.shape[0], 16
    x = _waves(spec, n, random, inner)
    mixed = x @ (random.normal(n, inner, inner) / math.sqrt(inner))
    x = torch.tanh(mixed + random.normal(n, 1, inner))
    winner = (x @ random.normal(n, inner, units) + random.normal(n, 1, units)).argmax(dim=2)
    colours = random.uniform(n, units, channels)
    image = colours.gather(1, winner[:, :, None].expand(-1, -1, channels))
    image = image.transpose(1, 2).reshape(n, *spec.shape)
    return in_range(image, spec)


def composed(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Images from untrained networks, laid one over another along edges drawn by further networks.

    Two images are laid over a background where a network of pixel coordinates is above its mean:
    textured objects with sharp outlines.
    """
    return paled(_laid_over(_either, spec, n, random), spec, random)


def patches(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Flat patches with sharp outlines, from untrained networks alone.

    Two images such as `winners` makes are laid over a third, as in `composed`.
    """
    return paled(_laid_over(_filmed_winners, spec, n, random), spec, random)


def _laid_over(layer: Source, spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Two images by `layer` over a third, each where a coordinate network is above its mean."""
    image = layer(spec, n, random)
    for _ in range(2):
        cut = _by_place(spec, n, random)[:, :1]
        above = cut > cut.mean(dim=(2, 3), keepdim=True)
        image = torch.where(above, layer(spec, n, random), image)
    return image


def filmed(below: Tensor, spec: InputSpec, random: Noise) -> Tensor:
    """Images [N, C, H, W] blended with an untrained network's, whose weight is up to 0.6."""
    film = _either(spec, len(below), random)
    return torch.lerp(below, film, 0.6 * random.uniform(len(below), 1, 1, 1))


def _either(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Images from untrained networks, convolutional or of coordinates with equal chances."""
    return of_kinds((_by_convolutions, _by_place), spec, n, random)


def of_kinds(kinds: Sequence[Source], spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Inputs [n, *shape], each of one of `kinds` with equal chances."""
    which = random.integers(n, below=len(kinds))
    dtype = torch.float32 if spec.vocabulary is None else torch.int64
    inputs = torch.empty(n, *spec.shape, device=random.device, dtype=dtype)
    for i, kind in enumerate(kinds):
        rows = (which == i).nonzero().flatten()
        # If none is of this kind, one is made and dropped, as other ranks may draw some: all
        # ranks have to advance the random stream alike.
        kept = rows if len(rows) else which.new_zeros(1)
        inputs[rows] = kind(spec, len(kept), random.of(kept, n))[: len(rows)]
    return inputs


def _convolved(x: Tensor, weights: Tensor) -> Tensor:
    """Convolve every image [C, H, W] of `x` by its own 3×3 weights, `weights` [N, D, 9 · C]."""
    # One product per image: PyTorch's grouped convolution is several times slower on some CPUs. In
    # parts, because patches take nine times the memory of images.
    most = CPU_PATCHES if x.device.type == "cpu" else PATCHES
    rows = max(1, most // (9 * math.prod(x.shape[1:])))
    parts = zip(torch.split(x, rows), torch.split(weights, rows), strict=True)
    made = [w @ _neighbourhoods(part) for part, w in parts]  # [n, D, H · W]
    return torch.cat(made).view(*weights.shape[:2], *x.shape[2:])


def _neighbourhoods(x: Tensor) -> Tensor:
    """The 3×3 patch around each pixel of `x` [N, C, H, W], zero-padded: [N, 9 · C, H · W]."""
    # PyTorch's `nn.functional.unfold` processes one image at a time on a GPU.
    around = pad(x, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1)  # [N, C, H, W, 3, 3]
    return around.permute(0, 1, 4, 5, 2, 3).reshape(len(x), 9 * x.shape[1], -1)


def _resized(x: Tensor, height: int, width: int) -> Tensor:
    """`x` [N, C, H, W] resized bilinearly."""
    if x.shape[2:] == (height, width):
        return x
    # With channels first, a GPU processes all images and channels one by one.
    x = x.contiguous(memory_format=torch.channels_last)
    return interpolate(x, size=(height, width), mode="bilinear")


def _standard(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """`x` with mean 0 and standard deviation 1 over `axes`; 0 where it is constant there."""
    return (x - x.mean(dim=axes, keepdim=True)) / (_deviation(x, axes) + 1e-3)


def _deviation(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The standard deviation of `x` over `axes`, which are kept; 0, not NaN, of a single value."""
    single = math.prod(x.shape[axis] for axis in axes) == 1
    return x.std(dim=axes, keepdim=True, correction=0 if single else 1)


def exposed(x: Tensor, spec: InputSpec, random: Noise) -> Tensor:
    """Any numbers [N, ...] as inputs in range, each with its own contrast and brightness."""
    each = (len(x), *(1,) * (x.ndim - 1))
    deviation = _deviation(x.flatten(1), axes=(1,)).clamp(min=1e-3).view(each)
    contrast = 2 * torch.exp(0.7 * random.normal(*each))
    light = 0.7 * random.normal(*each)
    return in_range(torch.sigmoid(contrast * (x / deviation + light)), spec)


def in_range(share: Tensor, spec: InputSpec) -> Tensor:
    """Map values in [0, 1] of any shape to the spec's range."""
    return (spec.low + spec.span * share).clamp(spec.low, spec.high)


def paled(image: Tensor, spec: InputSpec, random: Noise) -> Tensor:
    """Images [N, C, H, W] blended with grey, most of them strongly.

    Independent channels give strong colours, which networks trained on photographs have hardly
    seen.
    """
    if image.shape[1] == 1:
        return image
    grey = image.mean(dim=1, keepdim=True)
    between = torch.lerp(grey, image, random.uniform(len(image), 1, 1, 1).square())
    return between.clamp(spec.low, spec.high)  # a mean may be rounded out of the range
