"""Small convolutional nets: LeNet without batch norm, and one with it.

Without batch norm each image's answer is its own business, and a net has the same derivative
in training and in evaluation, which makes gradient estimates easiest to check on it.
"""

from __future__ import annotations

from torch import nn

from copycost.nets.images import image_shape
from copycost.nets.pooling import GlobalAverage
from copycost.types import InputSpec


def lenet(spec: InputSpec, classes: int) -> nn.Sequential:
    """LeNet-5 (LeCun et al., Gradient-based learning, Proc. IEEE 1998) in today's parts.

    Images [N, C, H, W] to logits [N, K]; H and W from 4. ReLU for tanh, max-pooling for
    subsampling, and both convolutions padded, so that 8x8 images survive the two poolings.
    Raises `SpecMismatch` where `spec` is not of images or they are smaller.
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
        nn.Flatten(),  # Nothing is left to do, but saved weights have their names by numbers.
        nn.Linear(64, classes),
    )


def _block(inside: int, outside: int, stride: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(outside), nn.ReLU(inplace=True)
