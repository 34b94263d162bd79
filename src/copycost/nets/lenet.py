"""Small convolutional nets: LeNet without batch norm, and one with it.

Without batch norm, an image's output does not depend on the rest of its batch, and a net has the
same derivative in training and in evaluation mode, which makes gradient estimates easy to check.
"""

from __future__ import annotations

from torch import nn

from copycost.nets.images import image_shape
from copycost.nets.pooling import GlobalAverage
from copycost.types import InputSpec


def lenet(spec: InputSpec, classes: int) -> nn.Sequential:
    """LeNet-5 (LeCun et al., Gradient-based learning, Proc. IEEE 1998) with modern layers.

    Images [N, C, H, W] to logits [N, K]; H and W from 4. ReLU replaces tanh, max-pooling replaces
    subsampling, and both convolutions are padded, so that small images survive the two poolings.
    Raises `SpecMismatch` where `spec` is not of images or they are smaller than 4x4.
    """
    channels, height, width = image_shape(spec, at_least=4)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * (height // 4) * (width // 4), 120),
        nn.ReLU(inplace=True),
        nn.Linear(120, 84),
        nn.ReLU(inplace=True),
        nn.Linear(84, classes),
    )


def gap_cnn(spec: InputSpec, classes: int) -> nn.Sequential:
    """Three 3x3 convolutions of 16, 32, 64 channels with batch norm, then global average pooling.

    Images [N, C, H, W] of any size to logits [N, K]; the second convolution halves the size.
    Raises `SpecMismatch` where `spec` is not of images.
    """
    channels, _, _ = image_shape(spec)
    return nn.Sequential(
        *_block(channels, 16, stride=1),
        *_block(16, 32, stride=2),
        *_block(32, 64, stride=1),
        GlobalAverage(),
        nn.Flatten(),  # Has no effect, but saved weights are named by the layers' numbers.
        nn.Linear(64, classes),
    )


def _block(inside: int, outside: int, stride: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(outside), nn.ReLU(inplace=True)
