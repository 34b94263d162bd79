"""Check that a spec declares images that a convolutional net can take."""

from __future__ import annotations

from copycost.errors import SpecMismatch
from copycost.types import InputSpec, Modality


def image_shape(spec: InputSpec, at_least: int = 1) -> tuple[int, int, int]:
    """Return (C, H, W) of a spec of images.

    Raises `SpecMismatch` where `spec` is not of images, or H or W is below `at_least`.
    """
    if spec.modality is not Modality.IMAGE:
        raise SpecMismatch(
            "images (C, H, W)",
            f"inputs of modality {spec.modality.value}",
            "this net is convolutional; choose mlp for numbers, bag-of-tokens for tokens, or one "
            "of your own",
        )
    channels, height, width = spec.shape
    if min(height, width) < at_least:
        raise SpecMismatch(
            f"images of at least {at_least}x{at_least} pixels",
            f"{height}x{width}",
            "choose an architecture that pools less",
        )
    return channels, height, width
