"""ResNet-18 and ResNet-34 "8x": the ImageNet nets with 8x downsampling only.

Used by Fang et al., Data-Free Adversarial Distillation (DFAD, arXiv:1912.11006), and after
them by DFME (Truong et al., CVPR 2021, arXiv:2011.14779) for students and victims: a 3x3 stem
of stride 1 without max-pooling, stages 64-128-256-512 with strides 1, 2, 2, 2.
"""

from __future__ import annotations

from copycost.nets.residual import ResNet
from copycost.types import InputSpec

_WIDTHS = (64, 128, 256, 512)


def resnet18_8x(spec: InputSpec, classes: int) -> ResNet:
    """Two blocks a stage: images [N, C, H, W] to logits [N, K].

    11,173,962 parameters for 3 channels and 10 classes. Raises `SpecMismatch` where `spec` is
    not of images.
    """
    return ResNet(spec, classes, _WIDTHS, blocks=(2, 2, 2, 2))


def resnet34_8x(spec: InputSpec, classes: int) -> ResNet:
    """Blocks 3-4-6-3: images [N, C, H, W] to logits [N, K].

    21,282,122 parameters for 3 channels and 10 classes. Raises `SpecMismatch` where `spec` is
    not of images.
    """
    return ResNet(spec, classes, _WIDTHS, blocks=(3, 4, 6, 3))
