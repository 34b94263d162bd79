"""Synthetic house numbers: a digit between neighbours, in many fonts, colours and lights.

A stand-in where street photographs cannot be downloaded. It resembles SVHN but is not SVHN:
results on it must carry its own name.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from copycost.datasets.base import Dataset, Labelled
from copycost.datasets.sources import bad_data, refuse_path

Floats = npt.NDArray[np.float32]

_SIDE = 32
_CANVAS = 72  # room for three digits at the largest size, turned
_CHUNK = 500  # drawn together, so that a shorter data set is the start of a longer one
_POINTS = (24, 26, 28, 30, 32, 34)
_FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralBolIta",
    "cmb10",
    "cmr10",
    "cmss10",
    "cmtt10",
)
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_LEAST_CONTRAST, _MOST_CONTRAST = 45, 150  # of 255, in luma


def load_house_numbers(path: Path | None = None) -> Dataset:
    """The data set at its usual size; see `house_numbers`. Takes no path."""
    refuse_path("house-numbers", path)
    return house_numbers()


def load_small_house_numbers(path: Path | None = None) -> Dataset:
    """Fewer of them at half the size, [N, 3, 16, 16], for a CPU; see `house_numbers`."""
    refuse_path("house-numbers-16", path)
    whole = house_numbers(8_000, 2_000)
    return replace(
        whole,
        name="house-numbers-16",
        provenance="synthetic house numbers, halved to 16×16",
        collection=whole.provenance,
        train=whole.train.halved(),
        test=whole.test.halved(),
    )


def house_numbers(train: int = 20_000, test: int = 4_000, seed: int = 0) -> Dataset:
    """Draw `train` and `test` images [N, 3, 32, 32]; the class is the centre digit.

    The same sizes and `seed` give the same bytes, on the same versions of Pillow, NumPy and
    matplotlib's fonts; a smaller set is the beginning of a larger one. Classes are
    balanced in every 500 images.

    Raises:
        DataError: matplotlib's fonts are not installed.
    """
    return Dataset(
        name="house-numbers",
        provenance="synthetic house numbers",
        class_names=tuple(str(digit) for digit in range(10)),
        train=_draw_part(train, np.random.SeedSequence([seed, 0])),
        test=_draw_part(test, np.random.SeedSequence([seed, 1])),
    )


def _draw_part(count: int, root: np.random.SeedSequence) -> Labelled:
    images = np.empty((count, 3, _SIDE, _SIDE), dtype=np.uint8)
    labels = np.empty(count, dtype=np.int64)
    for i, seeds in enumerate(root.spawn(math.ceil(count / _CHUNK))):
        start, rng = i * _CHUNK, np.random.default_rng(seeds)
        size = min(_CHUNK, count - start)
        numbers = rng.permutation(np.arange(_CHUNK) % 10)
        images[start : start + size] = _draw(rng, numbers)[:size]
        labels[start : start + size] = numbers[:size]
    return Labelled.from_arrays(images, labels)


def _draw(rng: np.random.Generator, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Images [N, 3, 32, 32] of the `labels` [N]."""
    count = len(labels)
    ink = _draw_ink(rng, labels)[:, None] / np.float32(255)
    paper_colour, ink_colour = (c[:, :, None, None] for c in _colours(rng, count))
    tint = rng.uniform(0.5, 1, (count, 3, 1, 1)).astype(np.float32)
    scene = paper_colour + ink * (ink_colour - paper_colour) + tint * _light(rng, count)
    scene = _blur(scene, rng.uniform(0, 0.33, (count, 1, 1, 1)).astype(np.float32))
    grain = rng.uniform(2, 14, (count, 1, 1, 1)).astype(np.float32)
    scene += grain * rng.standard_normal(scene.shape, dtype=np.float32)
    images: npt.NDArray[np.uint8] = np.rint(scene.clip(0, 255)).astype(np.uint8)
    return images


class _Glyph(NamedTuple):
    mask: Image.Image
    left: int
    """From the pen's position to the mask's left edge, in pixels."""
    top: int
    """From the base line down to the mask's top edge: negative."""
    advance: int


@lru_cache(maxsize=len(_FONTS) * len(_POINTS))
def _glyphs(name: str, points: int) -> tuple[_Glyph, ...]:
    """The ten digits of one font at one size."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    try:
        # Basic layout, as the other one needs libraries that not every machine has.
        font = ImageFont.truetype(str(path), points, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        came = f"none that can be read ({error})"
        raise bad_data(path, "a font of matplotlib", came, "reinstall matplotlib") from error
    return tuple(_glyph(font, str(digit)) for digit in range(10))


def _glyph(font: ImageFont.FreeTypeFont, digit: str) -> _Glyph:
    left, top, right, bottom = (int(v) for v in font.getbbox(digit, anchor="ls"))
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).text((-left, -top), digit, fill=255, font=font, anchor="ls")
    return _Glyph(mask, left, top, round(font.getlength(digit)))


def _draw_ink(rng: np.random.Generator, labels: npt.NDArray[np.int64]) -> Floats:
    """The amount of ink [N, 32, 32], 0 to 255: each label and its neighbours, turned and moved."""
    count = len(labels)
    fonts = rng.integers(len(_FONTS), size=count)
    sizes = rng.integers(len(_POINTS), size=count)
    # 10 or more stands for no neighbour: each side has none in about four images of ten.
    sides = rng.integers(10, size=(count, 2)) + 10 * (rng.random((count, 2)) < 0.4)
    gaps = rng.integers(-1, 4, size=count)
    places = _placements(rng, count)
    ink = np.empty((count, _SIDE, _SIDE), dtype=np.float32)
    for i in range(count):
        glyphs = _glyphs(_FONTS[fonts[i]], _POINTS[sizes[i]])
        left, right = (glyphs[side] if side < 10 else None for side in sides[i])
        strip = _strip(left, glyphs[labels[i]], right, int(gaps[i]))
        placed = strip.transform(
            (_SIDE, _SIDE), Image.Transform.AFFINE, places[i], Image.Resampling.BILINEAR
        )
        ink[i] = np.asarray(placed)
    return ink


def _strip(left: _Glyph | None, centre: _Glyph, right: _Glyph | None, gap: int) -> Image.Image:
    """A canvas with the `centre` digit in its middle, and any neighbours beside it."""
    canvas = Image.new("L", (_CANVAS, _CANVAS))
    pen = (_CANVAS - centre.mask.width) // 2 - centre.left
    base = (_CANVAS - centre.mask.height) // 2 - centre.top
    placed = [(centre, pen)]
    if left:
        placed.append((left, pen - gap - left.advance))
    if right:
        placed.append((right, pen + centre.advance + gap))
    for glyph, x in placed:
        canvas.paste(255, (x + glyph.left, base + glyph.top), glyph.mask)
    return canvas


def _placements(rng: np.random.Generator, count: int) -> list[tuple[float, ...]]:
    """For each image, Pillow's six numbers that map a pixel to a place on the canvas."""
    angle = rng.normal(0, math.radians(6), count)
    slant = rng.normal(0, 0.08, count)
    wide, high = rng.uniform(0.8, 1.15, (2, count))
    shift = rng.uniform(-2.5, 2.5, (2, count))
    cos, sin = np.cos(angle), np.sin(angle)
    a, b = cos / wide, (slant * cos - sin) / wide
    d, e = sin / high, (slant * sin + cos) / high
    x, y = -_SIDE / 2 + shift
    c, f = _CANVAS / 2 + a * x + b * y, _CANVAS / 2 + d * x + e * y
    return list(zip(*(v.tolist() for v in (a, b, c, d, e, f)), strict=True))


def _colours(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Colours [N, 3] of paper and ink, in [0, 255], far enough apart in luma to be read."""
    contrast = rng.uniform(_LEAST_CONTRAST, _MOST_CONTRAST, count)
    dark = rng.uniform(15, 240 - contrast)
    dark_ink = rng.random(count) < 0.5
    paper = _tinted(rng, np.where(dark_ink, dark + contrast, dark))
    return paper, _tinted(rng, np.where(dark_ink, dark, dark + contrast))


def _tinted(rng: np.random.Generator, luma: npt.NDArray[np.float64]) -> Floats:
    """Random colours [N, 3] of exactly the given `luma` [N]."""
    hue = rng.uniform(-1, 1, (len(luma), 3))
    hue -= (hue @ _LUMA)[:, None]  # adds colour, no brightness
    level = luma[:, None]
    room = np.where(hue > 0, 255 - level, level) / np.maximum(np.abs(hue), 1e-6)
    strength = rng.uniform(0, 0.9, len(luma)) * room.min(axis=1)
    colours: Floats = (level + strength[:, None] * hue).astype(np.float32)
    return colours


def _light(rng: np.random.Generator, count: int) -> Floats:
    """Uneven light [N, 1, 32, 32] to add: a slope across the image, and soft blotches."""
    line = np.linspace(-1, 1, _SIDE)
    angle = rng.uniform(0, 2 * math.pi, (count, 1, 1))
    slope = np.cos(angle) * line + np.sin(angle) * line[:, None]
    # Linear interpolation from 5 knots to 32 pixels, as one matrix for rows and columns.
    knots = np.linspace(-1, 1, 5)
    spread = np.stack([np.interp(line, knots, unit) for unit in np.eye(5)], axis=1)
    blotches = spread @ rng.uniform(-1, 1, (count, 5, 5)) @ spread.T
    light = rng.uniform(0, 35, angle.shape) * slope + rng.uniform(0, 25, angle.shape) * blotches
    return light[:, None].astype(np.float32)


def _blur(x: Floats, share: Floats) -> Floats:
    """Blur `x` [N, 3, 32, 32]: twice per axis, pixels give `share` [N, 1, 1, 1] to each side."""
    for axis in (-1, -2, -1, -2):
        rows = np.moveaxis(x, axis, -1)
        padded = np.pad(rows, ((0, 0), (0, 0), (0, 0), (1, 1)), mode="edge")
        sides = padded[..., :-2] + padded[..., 2:]
        sides *= share
        x = x * (1 - 2 * share)
        x += np.moveaxis(sides, -1, axis)
    return x
