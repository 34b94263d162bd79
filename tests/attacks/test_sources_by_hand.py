"""Images of every source, worked out value by value from the random numbers they are made of.

The figures rest on these images: a constant that changed would change them all, and statistics of
a few images would hardly show it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, leaky_relu

from copycost.attacks.sources import SOURCES
from copycost.engine import Engine
from copycost.noise import Noise
from copycost.types import InputSpec

N, C, H, W = 3, 3, 4, 6
LOW, HIGH = -1.0, 3.0
SPEC = InputSpec((C, H, W), LOW, HIGH)
PIXELS = list(product(range(H), range(W)))
CLOSE = 2e-4


def ranged(share: Tensor) -> Tensor:
    return LOW + (HIGH - LOW) * share


def standard(x: Tensor) -> Tensor:
    """With mean 0 and deviation 1 over all of it, but for a thousandth."""
    return (x - x.mean()) / (x.std() + 0.001)


def exposed(x: Tensor, d: Noise) -> Tensor:
    contrast, light = d.normal(N, 1, 1, 1), d.normal(N, 1, 1, 1)
    images = torch.empty(N, C, H, W)
    for i in range(N):
        deviation = float(x[i].std())
        for place in [(c, *pixel) for c in range(C) for pixel in PIXELS]:
            brightness = float(x[i][place]) / deviation + 0.7 * float(light[i])
            steep = 2 * math.exp(0.7 * float(contrast[i]))
            images[i][place] = 1 / (1 + math.exp(-steep * brightness))
    return ranged(images)


def paled(images: Tensor, d: Noise) -> Tensor:
    shares = d.uniform(N, 1, 1, 1)
    grey = sum(images[:, c] for c in range(C)) / C
    return torch.stack([grey + shares[:, 0] ** 2 * (images[:, c] - grey) for c in range(C)], 1)


def sparse(d: Noise) -> Tensor:
    shares, chances, values = d.uniform(N, 1, 1, 1), d.uniform(N, C, H, W), d.uniform(N, C, H, W)
    images = torch.full((N, C, H, W), LOW)
    for i, c, row, column in product(range(N), range(C), range(H), range(W)):
        if float(chances[i, c, row, column]) < float(shares[i]) ** 2:
            images[i, c, row, column] = LOW + (HIGH - LOW) * float(values[i, c, row, column])
    return images


def fields(d: Noise) -> Tensor:
    total = d.normal(N, C, H, W) * d.uniform(N, 1, 1, 1) ** 2
    for height, width in ((2, 2), (4, 4)):  # 8 would be more than the longer side
        grid = d.normal(N, C, height, width)
        total += interpolate(grid, (H, W), mode="bilinear") * d.uniform(N, 1, 1, 1) ** 2
    return exposed(total, d)


def leaves(d: Noise) -> Tensor:
    images = d.uniform(N, C, 1, 1).repeat(1, 1, H, W)
    number = 2 + d.integers(N, below=11)
    for leaf in range(12):
        places, slims = d.uniform(N, 4), torch.exp(0.7 * d.normal(N, 1, 1))
        kinds, colours = d.integers(N, below=2), d.uniform(N, C, 1, 1)
        for i in range(N):
            y, x, turn, size = places[i].tolist()
            reach, slim = (max(H, W) / 2) ** size, float(slims[i])
            for row, column in PIXELS:
                v, h = row + 0.5 - H * y, column + 0.5 - W * x
                cos, sin = math.cos(math.pi * turn), math.sin(math.pi * turn)
                along, beside = (h * cos + v * sin) / reach, (v * cos - h * sin) / reach
                along, beside = along / slim, beside * slim
                ellipse, box = math.hypot(along, beside) <= 1, max(abs(along), abs(beside)) <= 1
                if leaf < number[i] and (box if kinds[i] else ellipse):
                    images[i, :, row, column] = colours[i].flatten()
    return ranged(images)


def shapes(d: Noise, height: int = H, width: int = W) -> Tensor:
    grey = d.uniform(N, 1, 1).repeat(1, height, width)
    for _ in range(50):
        kinds, found = d.integers(N, below=3), d.uniform(N, 5)
        for i in range(N):
            y, x, tall, wide, level = found[i].tolist()
            for row, column in product(range(height), range(width)):
                v = ((row + 0.5) / height - y) / max(0.025 * (1 + tall), 0.5 / height)
                h = ((column + 0.5) / width - x) / max(0.025 * (1 + wide), 0.5 / width)
                box = max(abs(v), abs(h)) <= 1
                inside = box, math.hypot(v, h) <= 1, box and abs(h) <= (1 + v) / 2
                if inside[int(kinds[i])]:
                    grey[i, row, column] = level
    return ranged(grey[:, None].repeat(1, C, 1, 1))


def convolved(x: Tensor, weights: Tensor) -> Tensor:
    """Each image by weights of its own."""
    kernels = weights.view(N, -1, 16, 3, 3)
    return torch.stack([conv2d(x[i], kernels[i], padding=1) for i in range(N)])


def by_convolutions(d: Noise) -> Tensor:
    x = interpolate(d.normal(N, 16, 4, 4), (8, 8), mode="bilinear")  # 8: over the longer side
    x = leaky_relu(convolved(x, d.normal(N, 16, 144)), 0.2)
    gain, offset = d.normal(N, 16, 1, 1), d.normal(N, 16, 1, 1)
    for i in range(N):
        for unit in range(16):
            scale = math.exp(0.5 * float(gain[i, unit]))
            x[i, unit] = scale * standard(x[i, unit]) + 0.5 * float(offset[i, unit])
    x = convolved(interpolate(x, (H, W), mode="bilinear"), d.normal(N, C, 144))
    return exposed(torch.stack([torch.stack([c - c.mean() for c in image]) for image in x]), d)


def waves(d: Noise) -> list[list[Tensor]]:
    """The sixteen waves at every pixel of every image."""
    frequencies, phases, directions = d.uniform(N, 1, 1), d.uniform(N, 1, 16), d.normal(N, 2, 16)
    found = []
    for i in range(N):
        scale = 1.5 * math.exp(2.5 * float(frequencies[i]) - 0.5)
        places = [(2 * row / (H - 1) - 1, 2 * column / (W - 1) - 1) for row, column in PIXELS]
        angles = [y * directions[i, 0] + x * directions[i, 1] for y, x in places]
        found.append([torch.sin(scale * a + 2 * math.pi * phases[i, 0]) for a in angles])
    return found


def by_place(d: Noise) -> Tensor:
    x = waves(d)
    for _ in range(2):
        steep, mixing, bias = d.normal(N, 1, 1), d.normal(N, 16, 16), d.normal(N, 1, 16)
        for i in range(N):
            scale = 2 * math.exp(float(steep[i]) + 0.5) / 4
            x[i] = [torch.tanh(scale * (one @ mixing[i]) + bias[i, 0]) for one in x[i]]
    last, images = d.normal(N, 16, C), torch.empty(N, C, H, W)
    for i in range(N):
        for pixel, one in zip(PIXELS, x[i], strict=True):
            images[i, :, pixel[0], pixel[1]] = one @ last[i]
    return exposed(torch.stack(list(map(standard, images))) + 0.7 * d.normal(N, C, 1, 1), d)


def flat_winners(d: Noise) -> Tensor:
    x = waves(d)
    mixing, bias = d.normal(N, 16, 16), d.normal(N, 1, 16)
    last, raised, colours = d.normal(N, 16, 8), d.normal(N, 1, 8), d.uniform(N, 8, C)
    images = torch.empty(N, C, H, W)
    for i in range(N):
        for pixel, one in zip(PIXELS, x[i], strict=True):
            strength = torch.tanh(one @ mixing[i] / 4 + bias[i, 0]) @ last[i] + raised[i, 0]
            images[i, :, pixel[0], pixel[1]] = colours[i, int(strength.argmax())]
    return ranged(images)


def either(d: Noise) -> Tensor:
    which = d.integers(N, below=2)
    kinds = by_convolutions(d), by_place(d)
    return torch.stack([kinds[which[i]][i] for i in range(N)])


def filmed(below: Tensor, d: Noise) -> Tensor:
    film, share = either(d), 0.6 * d.uniform(N, 1, 1, 1)
    return (1 - share) * below + share * film


def laid_over(layer: Callable[[Noise], Tensor], d: Noise) -> Tensor:
    images = layer(d)
    for _ in range(2):
        cut, above = by_place(d)[:, 0], layer(d)
        for i in range(N):
            for row, column in PIXELS:
                if cut[i, row, column] > cut[i].mean():
                    images[i, :, row, column] = above[i, :, row, column]
    return images


BY_HAND: dict[str, Callable[[Noise], Tensor]] = {
    "uniform": lambda d: ranged(d.uniform(N, C, H, W)),
    "normal": lambda d: (1 + 2 * d.normal(N, C, H, W)).clamp(LOW, HIGH),
    "untrained": lambda d: paled(by_convolutions(d), d),
    "coordinates": lambda d: paled(by_place(d), d),
    "winners": lambda d: paled(filmed(flat_winners(d), d), d),
    "composed": lambda d: paled(laid_over(either, d), d),
    "patches": lambda d: paled(laid_over(lambda d: filmed(flat_winners(d), d), d), d),
    "levelled": lambda d: exposed(d.normal(N, C, H, W), d),
    "sparse": sparse,
    "fields": fields,
    "leaves": leaves,
    "textured": lambda d: paled(filmed(leaves(d), d), d),
    "shapes": shapes,
}


@pytest.mark.parametrize("name", list(SOURCES))
@pytest.mark.parametrize("seed", [0, 1])
def test_images_are_those_worked_out_by_hand(name, seed):
    random, again = Engine("cpu").random(seed), Engine("cpu").random(seed)
    made, by_hand = SOURCES[name](SPEC, N, random), BY_HAND[name](again)
    torch.testing.assert_close(made, by_hand, atol=CLOSE, rtol=0)
    assert torch.equal(random.state(), again.state()), "no number is drawn too often"


def test_shapes_of_more_than_a_pixel_are_as_large_as_they_should_be():
    height, width = 25, 35
    made = SOURCES["shapes"](InputSpec((C, height, width), LOW, HIGH), N, Engine("cpu").random(0))
    by_hand = shapes(Engine("cpu").random(0), height, width)
    assert float((made - by_hand).abs().gt(CLOSE).double().mean()) < 0.001  # at an edge, perhaps
