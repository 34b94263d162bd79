"""Sources of inputs made from random numbers alone: no data, and nothing learnt."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import AfterValidator, BeforeValidator
from torch import Tensor
from torch.nn.functional import interpolate

from copycost.attacks.base import STRICTLY_DATA_FREE
from copycost.attacks.untrained import (
    Source,
    composed,
    exposed,
    filmed,
    in_range,
    paled,
    patches,
)
from copycost.noise import Noise
from copycost.registry import Entry, Registry
from copycost.settings import choice
from copycost.types import InputSpec

SHAPES = 50
"""Number of shapes in one image of `shapes`."""


def uniform(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Independent values, uniform over the range, or tokens, uniform over the vocabulary."""
    if spec.vocabulary is not None:
        return random.integers(n, spec.vocabulary, *spec.shape)
    return spec.low + spec.span * random.uniform(n, *spec.shape)


def normal(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Independent normal values, with half the range as standard deviation, clipped to the range.

    A third of the values lie at the ends of the range.
    """
    values = spec.middle + spec.half * random.normal(n, *spec.shape)
    return values.clamp(spec.low, spec.high)


def levelled(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Normal values, each input with a spread and a level of its own."""
    return exposed(random.normal(n, *spec.shape), spec, random)


def sparse(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """The lowest value almost everywhere, and uniform values in a share of each input's places.

    Rows of a table look like this where most of its columns count or mark something. Shares are
    squares of uniform numbers: half of them are below a quarter.
    """
    share = random.uniform(n, *(1,) * len(spec.shape)) ** 2
    filled = random.uniform(n, *spec.shape) < share
    values = uniform(spec, n, random)
    return torch.where(filled, values, torch.full_like(values, spec.low))


def fields(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Smooth random fields of several scales, each image with its own contrast and brightness.

    Normal numbers on grids with 2, 4, 8, … and all points per side are enlarged and added, each
    grid with a random weight: blobs, slopes and grain as in images, but of nothing in particular.
    """
    height, width = spec.shape[1:]
    total = random.normal(n, *spec.shape) * random.uniform(n, 1, 1, 1) ** 2
    side = 2
    while side < max(height, width):
        grid = random.normal(n, spec.shape[0], min(side, height), min(side, width))
        smooth = interpolate(grid, size=(height, width), mode="bilinear")
        total = total + smooth * random.uniform(n, 1, 1, 1) ** 2
        side *= 2
    return exposed(total, spec, random)


def leaves(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Dead leaves: 2 to 12 ellipses and boxes of any colour, size and angle over a plain ground.

    Lee, Mumford and Huang (2001) model the statistics of photographs by such images, and Baradad
    et al. (2021) train encoders on them. Sizes are uniform in their logarithm, from a pixel up to
    half a side.
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
    return in_range(image, spec)


def textured(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Dead leaves blended with an untrained network's image, mostly in pale colours.

    The network's image has a weight of up to 0.6. Baradad et al. (2021) find that textured leaves
    teach more than plain ones; the same was seen in copying a model of photographs.
    """
    return paled(filmed(leaves(spec, n, random), spec, random), spec, random)


def shapes(spec: InputSpec, n: int, random: Noise) -> Tensor:
    """Fifty small rectangles, ellipses and triangles of random greys over a grey ground.

    Each spans 5 to 10 % of a side, and at least a pixel: DFMS-HL's synthetic proxies (Sanyal et
    al. 2022), whose script uses one channel's values for all channels.
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
    values = spec.low + spec.span * grey[:, None]
    return values.expand(n, channels, height, width).contiguous()


SOURCES: Registry[Source] = Registry(
    "source of inputs",
    {
        "uniform": Entry("copycost.attacks.sources:uniform", "independent values over the range"),
        "normal": Entry(
            "copycost.attacks.sources:normal", "independent normal values, cut to the range"
        ),
        "levelled": Entry(
            "copycost.attacks.sources:levelled", "normal values of a spread and level for each"
        ),
        "sparse": Entry(
            "copycost.attacks.sources:sparse", "mostly the lowest value, some uniform ones"
        ),
        "untrained": Entry(
            "copycost.attacks.untrained:untrained", "by untrained convolutional networks"
        ),
        "coordinates": Entry(
            "copycost.attacks.untrained:coordinates", "by untrained networks of the place"
        ),
        "winners": Entry(
            "copycost.attacks.untrained:winners",
            "flat colours by untrained networks of the place, one unit taking each",
        ),
        "composed": Entry(
            "copycost.attacks.untrained:composed", "by untrained networks, one cut out over another"
        ),
        "patches": Entry(
            "copycost.attacks.untrained:patches", "flat patches by untrained networks of the place"
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
"""Kinds whose values are independent."""
SHAPELESS = NOISE | {levelled, sparse}
"""Kinds for inputs of any shape; the others draw images."""
DRAWN = frozenset({composed, patches, fields, leaves, textured, shapes})
"""Kinds that follow rules about what images look like: that objects occlude one another is such
a rule, even where untrained networks draw the outlines."""


def knowledge_of(kinds: Iterable[Source]) -> str:
    """Knowledge of an attacker who queries `kinds`; noise and untrained networks count as none."""
    return "procedural images" if DRAWN & set(kinds) else STRICTLY_DATA_FREE


SourceSetting = Annotated[Source, choice(SOURCES)]


def names(given: object) -> object:
    """A list of names from names between commas, as a command line gives them."""
    return given.split(",") if isinstance(given, str) and given else given or ()


SourcesSetting = Annotated[tuple[SourceSetting, ...], BeforeValidator(names)]


def _for_any_shape(given: tuple[Source, ...]) -> tuple[Source, ...]:
    if not given or not set(given) <= SHAPELESS:
        names = ", ".join(sorted(SOURCES.name_of(kind) for kind in SHAPELESS))
        raise ValueError(f"expected one or more of {names}; others draw images")
    return given


ShapelessSetting = Annotated[SourcesSetting, AfterValidator(_for_any_shape)]
