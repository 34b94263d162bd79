"""Residual nets that a CPU can train: 16-32-64 channels, for images from 8x8 to 32x32.

Source: He et al. (arXiv:1512.03385), section 4.2. Their shortcuts pad with zeros where the width
grows; these project by 1x1 convolutions, which adds 1 % of parameters.
"""

from __future__ import annotations

from copycost.nets.residual import ResNet
from copycost.types import InputSpec

_WIDTHS = (16, 32, 64)


def resnet20(spec: InputSpec, classes: int) -> ResNet:
    """Three blocks a stage: images [N, C, H, W] to logits [N, K]; 0.27 M parameters.

    Raises `SpecMismatch` where `spec` is not of images.
    """
    return ResNet(spec, classes, _WIDTHS, blocks=(3, 3, 3))


def small_resnet(spec: InputSpec, classes: int) -> ResNet:
    """One block a stage: images [N, C, H, W] to logits [N, K]; 78 k parameters.

    Raises `SpecMismatch` where `spec` is not of images.
    """
    return ResNet(spec, classes, _WIDTHS, blocks=(1, 1, 1))
