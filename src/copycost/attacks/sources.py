"""Images from random numbers alone: no data, and nothing learnt."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Annotated

import torch
from pydantic import BeforeValidator
from torch import Tensor
from torch.nn.functional import interpolate, leaky_relu, unfold

from copycost.attacks.base import STRICTLY_DATA_FREE
from copycost.noise import Noise
from copycost.registry import Entry, Registry
from copycost.settings import choice
from copycost.types import InputSpec

Source = Callable[[InputSpec, int, Noise], Tensor]
"""(spec, n, random) -> n inputs [n, *shape] in the spec's range."""

PATCHES = 2**24
"""Values of all 3×3 patches that are laid out at once: 64 MiB."""
SHAPES = 50
"""In one image of `shapes`."""


def uniform(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Independent values, uniform over the range."""
    return spec.low + (spec.high - spec.low) * random.uniform(n, *spec.shape)


def normal(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Independent normal values, half the range as one standard deviation, cut to the range.

    A third of the values lie at its ends.
    """
    middle, half = (spec.high + spec.low) / 2, (spec.high - spec.low) / 2
    return (middle + half * random.normal(n, *spec.shape)).clamp(spec.low, spec.high)


def fields(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Smooth random fields of several scales, each image with a contrast and a light of its own.

    Normal numbers on grids of 2, 4, 8, … and all points a side, each grid with a random weight,
    enlarged and added: blobs, slopes and grain as images have them, and no image in particular.
    """
    height, width = spec.shape[1:]
    total = random.normal(n, *spec.shape) * random.uniform(n, 1, 1, 1) ** 2
    side = 2
    while side < max(height, width):
        grid = random.normal(n, spec.shape[0], min(side, height), min(side, width))
        smooth = interpolate(grid, size=(height, width), mode="bilinear")
        total = total + smooth * random.uniform(n, 1, 1, 1) ** 2
        side *= 2
    return _exposed(total, spec, random)


def untrained(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Images by untrained convolutional networks, a fresh one for every image.

    Each starts from 16 channels of 4×4 normal numbers and enlarges them by two, convolves 3×3
    and normalises until the size is reached, as generators of images do; nothing is learnt.
    """
    return _paled(_by_convolutions(spec, n, random), spec, random)


def _by_convolutions(spec: InputSpec, n: int, random: Noise) -> Tensor:
    channels, height, width = spec.shape
    side, inner = 4, 16
    x = random.normal(n, inner, side, side)
    while side < max(height, width):
        side *= 2
        x = interpolate(x, size=(side, side), mode="bilinear")
        x = leaky_relu(_convolved(x, random.normal(n, inner, 9 * inner)), 0.2)
        gain = torch.exp(0.5 * random.normal(n, inner, 1, 1))
        x = gain * _standard(x, axes=(2, 3)) + 0.5 * random.normal(n, inner, 1, 1)
    x = interpolate(x, size=(height, width), mode="bilinear")
    x = _convolved(x, random.normal(n, channels, 9 * inner))
    return _exposed(x - x.mean(dim=(2, 3), keepdim=True), spec, random)


def coordinates(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Images by untrained networks of the place in the image, a fresh one for every image.

    Three layers of 16 from the coordinates to the channels, waves first and steep tanh after:
    stripes, patches and edges at any angle (Stanley 2007 calls such networks CPPNs).
    """
    return _paled(_by_place(spec, n, random), spec, random)


def _by_place(spec: InputSpec, n: int, random: Noise) -> Tensor:
    channels, height, width = spec.shape
    inner = 16
    place = torch.cartesian_prod(
        *(torch.linspace(-1, 1, side, device=random.device) for side in (height, width))
    )
    frequency = torch.exp(2.5 * random.uniform(n, 1, 1) - 0.5)
    phase = 2 * math.pi * random.uniform(n, 1, inner)
    x = torch.sin(1.5 * frequency * (place @ random.normal(n, 2, inner)) + phase)
    for _ in range(2):
        steepness = 2 * torch.exp(random.normal(n, 1, 1) + 0.5)
        mixed = x @ (random.normal(n, inner, inner) / math.sqrt(inner))
        x = torch.tanh(steepness * mixed + random.normal(n, 1, inner))
    x = (x @ random.normal(n, inner, channels)).transpose(1, 2).reshape(n, *spec.shape)
    tinted = _standard(x, axes=(1, 2, 3)) + 0.7 * random.normal(n, channels, 1, 1)
    return _exposed(tinted, spec, random)


def composed(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Images by untrained networks one over another, cut along an edge by a third network.

    A ground, and two more images laid over it where a network of the place is above its mean:
    things with a texture each and sharp outlines.
    """
    image = _either(spec, n, random)
    for _ in range(2):
        cut = _by_place(spec, n, random)[:, :1]
        above = cut > cut.mean(dim=(2, 3), keepdim=True)
        image = torch.where(above, _either(spec, n, random), image)
    return _paled(image, spec, random)


def leaves(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Dead leaves: 2 to 12 ellipses and boxes of any colour, size and angle over a plain ground.

    What Lee, Mumford and Huang (2001) take for the statistics of photographs, and Baradad et
    al. (2021) train encoders on. Sizes are
    uniform in their logarithm, from a pixel up to half a side.
    """
    channels, height, width = spec.shape
    down, across = (
        (torch.arange(side, device=random.device) + 0.5 - side / 2).view(shape)
        for side, shape in ((height, (1, -1, 1)), (width, (1, 1, -1)))
    )
    image = random.uniform(n, channels, 1, 1).expand(n, *spec.shape)
    number = 2 + random.integers(n, below=11).view(n, 1, 1)
    for i in range(12):
        y, x, turn, size = random.uniform(n, 4).view(n, 4, 1, 1).unbind(dim=1)
        slim = torch.exp(0.7 * random.normal(n, 1, 1))
        reach = torch.exp(size * math.log(max(height, width, 4) / 2))
        v, h = down - height * (y - 0.5), across - width * (x - 0.5)
        cos, sin = torch.cos(math.pi * turn), torch.sin(math.pi * turn)
        along, beside = (h * cos + v * sin) / (reach * slim), (v * cos - h * sin) / (reach / slim)
        ellipse = along.square() + beside.square() <= 1
        box = (along.abs() <= 1) & (beside.abs() <= 1)
        kind = random.integers(n, below=2).view(n, 1, 1)
        inside = torch.where(kind == 0, ellipse, box) & (i < number)
        image = torch.where(inside[:, None], random.uniform(n, channels, 1, 1), image)
    return (spec.low + (spec.high - spec.low) * image).clamp(spec.low, spec.high)


def textured(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Dead leaves under a film of an untrained network's image, most of them pale.

    The film hides up to six tenths of what is below. Baradad et al. (2021) find leaves with
    textures better to learn from than plain ones; so does a copy of a model of photographs.
    """
    below, film = leaves(spec, n, random), _either(spec, n, random)
    image = torch.lerp(below, film, 0.6 * random.uniform(n, 1, 1, 1))
    return _paled(image, spec, random)


def shapes(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Fifty small rectangles, ellipses and triangles of random greys over a grey ground.

    Each spans 5 to 10 % of a side, and no less than a pixel: DFMS-HL's synthetic proxies
    (Sanyal et al. 2022), of which its script takes one channel's values for all.
    """
    channels, height, width = spec.shape
    down, across = (
        ((torch.arange(side, device=random.device) + 0.5) / side).view(1, -1, 1)
        for side in (height, width)
    )
    across = across.transpose(1, 2)
    grey = random.uniform(n, 1, 1).expand(n, height, width)
    for _ in range(SHAPES):
        kind = random.integers(n, below=3).view(n, 1, 1)
        y, x, tall, wide, level = random.uniform(n, 5).view(n, 5, 1, 1).unbind(dim=1)
        v = (down - y) / (0.025 + 0.025 * tall).clamp(min=0.5 / height)  # ±1 at a shape's edges
        h = (across - x) / (0.025 + 0.025 * wide).clamp(min=0.5 / width)
        box = (v.abs() <= 1) & (h.abs() <= 1)
        ellipse, triangle = v.square() + h.square() <= 1, box & (2 * h.abs() <= 1 + v)
        inside = torch.where(kind == 0, box, torch.where(kind == 1, ellipse, triangle))
        grey = torch.where(inside, level, grey)
    values = spec.low + (spec.high - spec.low) * grey[:, None]
    return values.expand(n, channels, height, width).contiguous()


def _either(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """By an untrained network of one kind or the other, with equal chances."""
    first = random.uniform(n, 1, 1, 1) < 0.5
    return torch.where(first, _by_convolutions(spec, n, random), _by_place(spec, n, random))


def _convolved(x: Tensor, weights: Tensor) -> Tensor:
    """Every image [C, H, W] of `x` by 3×3 weights of its own, `weights` [N, D, 9 · C]."""
    # One product an image: PyTorch's grouped convolution is several times slower on a CPU. In
    # parts, because patches are nine times the images.
    rows = max(1, PATCHES // (9 * x[0].numel()))
    parts = zip(torch.split(x, rows), torch.split(weights, rows), strict=True)
    made = [w @ unfold(part, kernel_size=3, padding=1) for part, w in parts]  # [n, D, H · W]
    return torch.cat(made).view(*weights.shape[:2], *x.shape[2:])


def _standard(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """With mean 0 and deviation 1 over `axes`; what does not vary there becomes 0."""
    return (x - x.mean(dim=axes, keepdim=True)) / (x.std(dim=axes, keepdim=True) + 1e-3)


def _exposed(x: Tensor, spec: InputSpec, random: Noise) -> Tensor:
    """Any numbers [N, C, H, W] as images in range, each with a contrast and a light of its own."""
    deviation = x.flatten(1).std(dim=1).clamp(min=1e-3).view(-1, 1, 1, 1)
    contrast = 2 * torch.exp(0.7 * random.normal(len(x), 1, 1, 1))
    light = 0.7 * random.normal(len(x), 1, 1, 1)
    share = torch.sigmoid(contrast * (x / deviation + light))
    return (spec.low + (spec.high - spec.low) * share).clamp(spec.low, spec.high)


def _paled(image: Tensor, spec: InputSpec, random: Noise) -> Tensor:
    """Images [N, C, H, W] between grey, to which most come near, and their full colours.

    Channels that have nothing to do with each other make loud colours, and a network of
    photographs has hardly seen any.
    """
    if image.shape[1] == 1:
        return image
    grey = image.mean(dim=1, keepdim=True)
    paled = torch.lerp(grey, image, random.uniform(len(image), 1, 1, 1).square())
    return paled.clamp(spec.low, spec.high)  # a mean may be rounded out of the range


SOURCES: Registry[Source] = Registry(
    "source of images",
    {
        "uniform": Entry("copycost.attacks.sources:uniform", "independent values over the range"),
        "normal": Entry(
            "copycost.attacks.sources:normal", "independent normal values, cut to the range"
        ),
        "untrained": Entry(
            "copycost.attacks.sources:untrained", "by untrained convolutional networks"
        ),
        "coordinates": Entry(
            "copycost.attacks.sources:coordinates", "by untrained networks of the place"
        ),
        "composed": Entry(
            "copycost.attacks.sources:composed", "by untrained networks, one cut out over another"
        ),
        "fields": Entry("copycost.attacks.sources:fields", "smooth random fields of many scales"),
        "leaves": Entry("copycost.attacks.sources:leaves", "dead leaves: overlapping flat patches"),
        "textured": Entry(
            "copycost.attacks.sources:textured", "dead leaves under images of untrained networks"
        ),
        "shapes": Entry("copycost.attacks.sources:shapes", "small grey shapes over a grey ground"),
    },
)

NOISE = frozenset({uniform, normal})
"""Kinds whose values are independent, and need not be those of images."""
DRAWN = frozenset({fields, leaves, textured, shapes})
"""Kinds that follow rules about what images look like."""


def knowledge_of(kinds: Iterable[Source]) -> str:
    """What an attacker holds who asks such images: numbers and untrained networks are nothing."""
    return "procedural images" if DRAWN & set(kinds) else STRICTLY_DATA_FREE


SourceSetting = Annotated[Source, choice(SOURCES)]


def _names(given: object) -> object:
    """Names between commas, as they are given on a command line, as a list."""
    return given.split(",") if isinstance(given, str) and given else given or ()


SourcesSetting = Annotated[tuple[SourceSetting, ...], BeforeValidator(_names)]
