"""Decodes image files into bytes, and requires one size and colour throughout a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from copycost.datasets.base import Undecoded
from copycost.datasets.sources import bad_data

Encoded: TypeAlias = "Iterable[tuple[str, Path | bytes]]"
"""Pairs of a name and an image file or its bytes."""

# Modes of 16 and 32 bits per channel are left out: turning them into bytes needs a scale
# that only the owner of the images knows.
_GREY = ("1", "L", "LA")
_COLOUR = ("RGB", "RGBA", "P", "CMYK", "YCbCr")

# Pillow's errors for damaged images and for files that are none; RuntimeError is for AVIF.
_DAMAGED = (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError)


def undecoded(encoded: Callable[[], Encoded], labels: npt.NDArray[Any]) -> Undecoded:
    """The images of `encoded()` with `labels` [N]; only the first image is decoded now.

    Raises:
        DataError: the first image cannot be decoded; for others this is raised when they are.
    """
    first = decode_all(islice(encoded(), 1), 1)
    return Undecoded(
        first.shape[1:],
        torch.from_numpy(labels.astype(np.int64)),
        lambda: torch.from_numpy(decode_all(encoded(), len(labels))),
    )


def decode_all(encoded: Encoded, count: int) -> npt.NDArray[np.uint8]:
    """`count` images as uint8 [N, C, H, W], decoded.

    The first image decides size and colour: C = 1 if it is grey, else 3, and grey images
    among coloured ones are made RGB. Besides the result, memory holds one decoded image.

    Raises:
        DataError: an image cannot be decoded or differs from the first in size or colour.
    """
    images: npt.NDArray[np.uint8] | None = None
    first = ""
    for i, (name, source) in enumerate(encoded):
        image = _open(name, source)
        if images is None:
            channels = 1 if image.mode in _GREY else 3
            images = np.empty((count, channels, image.height, image.width), dtype=np.uint8)
            first = name
        images[i] = _fit(image, name, images.shape[1:], first)
    return np.empty((0, 1, 1, 1), dtype=np.uint8) if images is None else images


def _open(name: str, source: Path | bytes) -> Image.Image:
    try:
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as image:
            image.load()
            return image
    except _DAMAGED as error:
        came = f"one that cannot be read ({error})"
        raise bad_data(name, "a whole image", came, "replace or remove it") from error


def _fit(
    image: Image.Image, name: str, shape: tuple[int, ...], first: str
) -> npt.NDArray[np.uint8]:
    channels, height, width = shape
    if (image.height, image.width) != (height, width):
        expected = f"{height}×{width} pixels like {first}"
        came = f"{image.height}×{image.width}"
        raise bad_data(name, expected, came, "bring all images to one size")
    if image.mode not in _GREY + _COLOUR or (channels == 1 and image.mode not in _GREY):
        expected = f"an 8-bit {'grey' if channels == 1 else 'RGB or grey'} image like {first}"
        raise bad_data(name, expected, f"mode {image.mode}", "convert all images to 8-bit RGB")
    mode = "L" if channels == 1 else "RGB"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)
