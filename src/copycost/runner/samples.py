"""A picture of an attack's queries: a square of samples."""

from __future__ import annotations

import io
import math
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from copycost.files import write_atomically
from copycost.types import InputSpec


def save_samples(path: Path, images: Tensor, spec: InputSpec) -> None:
    """Write images [N, C, H, W] in the spec's range as one PNG, with a pixel between them.

    One channel is shown in grey, three in colour, any other number by its mean in grey.
    """
    side = math.ceil(math.sqrt(len(images)))
    pixels = ((images.float().cpu() - spec.low) / spec.span).clamp(0, 1)
    if pixels.shape[1] not in (1, 3):
        pixels = pixels.mean(dim=1, keepdim=True)
    _, channels, height, width = pixels.shape
    sheet = torch.ones(channels, side * (height + 1) - 1, side * (width + 1) - 1)
    for i, image in enumerate(pixels):
        top, left = i // side * (height + 1), i % side * (width + 1)
        sheet[:, top : top + height, left : left + width] = image
    picture = (sheet * 255).round().byte().permute(1, 2, 0).squeeze(2).numpy()
    held = io.BytesIO()
    Image.fromarray(picture).save(held, format="PNG")
    write_atomically(path, held.getvalue())
