"""Wide residual networks, in which batch norm and ReLU come before each convolution.

Source: Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016 (arXiv:1605.07146), and He et
al. (arXiv:1603.05027) for the order within a block. WRN-d-k has d = 6n + 4 layers: three stages of
n blocks with 16k, 32k and 64k channels. There is no dropout.
"""

from __future__ import annotations

from torch import Tensor, nn

from copycost.nets.images import image_shape
from copycost.nets.pooling import GlobalAverage
from copycost.types import InputSpec


class PreActivationBlock(nn.Module):
    """Two times batch norm, ReLU and a 3x3 convolution, added to a shortcut."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        """Map `inside` channels to `outside`, dividing height and width by `stride`."""
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        changes = inside != outside or stride != 1
        self.shortcut = nn.Conv2d(inside, outside, 1, stride, bias=False) if changes else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, `inside`, H, W] to [N, `outside`, ceil(H/stride), ceil(W/stride)]."""
        y: Tensor = self.relu(self.norm1(x))
        kept = x if self.shortcut is None else self.shortcut(y)
        y = self.conv2(self.relu(self.norm2(self.conv1(y))))
        y += kept
        return y


class WideResNet(nn.Module):
    """A 3x3 stem of 16 channels, three stages, batch norm, global average pooling, linear."""

    def __init__(self, spec: InputSpec, classes: int, depth: int, widen: int) -> None:
        """WRN-`depth`-`widen`; all stages but the first halve the size.

        Raises `SpecMismatch` where `spec` is not of images.
        """
        super().__init__()
        channels, _, _ = image_shape(spec)
        blocks, rest = divmod(depth - 4, 6)
        assert not rest, "a wide residual net has 6n + 4 layers"
        self.stem = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        stages: list[nn.Module] = []
        inside = 16
        for i, outside in enumerate((16 * widen, 32 * widen, 64 * widen)):
            for number in range(blocks):
                stride = 2 if i and not number else 1
                stages.append(PreActivationBlock(inside, outside, stride))
                inside = outside
        self.blocks = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(inside)
        self.relu = nn.ReLU(inplace=True)
        self.average = GlobalAverage()
        self.linear = nn.Linear(inside, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [N, C, H, W] to logits [N, K]."""
        x = self.relu(self.norm(self.blocks(self.stem(x))))
        logits: Tensor = self.linear(self.average(x))
        return logits


def wrn_22_2(spec: InputSpec, classes: int) -> WideResNet:
    """MAZE's student: images [N, C, H, W] to logits [N, K]; 1,079,642 parameters for CIFAR-10."""
    return WideResNet(spec, classes, depth=22, widen=2)


def wrn_28_10(spec: InputSpec, classes: int) -> WideResNet:
    """Images [N, C, H, W] to logits [N, K]; 36,479,194 parameters for CIFAR-10."""
    return WideResNet(spec, classes, depth=28, widen=10)
