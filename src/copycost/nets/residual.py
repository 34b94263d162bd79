"""Residual networks for small images, of any depth and width.

Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016 (arXiv:1512.03385),
section 4.2: a 3x3 stem at full resolution and no max-pooling. Where a block changes the
width or the size, the shortcut is a 1x1 convolution with batch norm (their option B).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from copycost.nets.images import image_shape
from copycost.nets.pooling import GlobalAverage
from copycost.types import InputSpec


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, added to a shortcut."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        """Map `inside` channels to `outside`, dividing height and width by `stride`."""
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outside)
        self.shortcut = _shortcut(inside, outside, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, `inside`, H, W] to [N, `outside`, ceil(H/stride), ceil(W/stride)]."""
        y: Tensor = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        y += self.shortcut(x)
        y = self.relu(y)
        return y


class ResNet(nn.Module):
    """A 3x3 stem, stages of basic blocks, global average pooling, a linear layer."""

    def __init__(
        self, spec: InputSpec, classes: int, widths: Sequence[int], blocks: Sequence[int]
    ) -> None:
        """Stage i has `blocks[i]` blocks of `widths[i]` channels; all but the first halve.

        Raises `SpecMismatch` where `spec` is not of images.
        """
        super().__init__()
        channels, _, _ = image_shape(spec)
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        stages: list[nn.Module] = []
        inside = widths[0]
        for i, (outside, depth) in enumerate(zip(widths, blocks, strict=True)):
            stages.append(_stage(inside, outside, depth, stride=1 if i == 0 else 2))
            inside = outside
        self.stages = nn.Sequential(*stages)
        self.average = GlobalAverage()
        self.linear = nn.Linear(inside, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [N, C, H, W] to logits [N, K]."""
        x = self.stages(self.relu(self.norm(self.stem(x))))
        logits: Tensor = self.linear(self.average(x))
        return logits


def _stage(inside: int, outside: int, depth: int, stride: int) -> nn.Sequential:
    first = BasicBlock(inside, outside, stride)
    return nn.Sequential(first, *(BasicBlock(outside, outside, 1) for _ in range(depth - 1)))


def _shortcut(inside: int, outside: int, stride: int) -> nn.Module:
    if inside == outside and stride == 1:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(inside, outside, 1, stride=stride, bias=False), nn.BatchNorm2d(outside)
    )
