"""What networks compute, layer by layer, against the papers' formulas in plain functions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as f
from torch import Tensor, nn

from copycost.nets import ARCHITECTURES
from copycost.nets.dfme_generator import DFMEGenerator
from copycost.nets.discriminator import Discriminator
from copycost.nets.residual import ResNet
from copycost.nets.seeded import seeded
from copycost.nets.wide_resnet import WideResNet
from copycost.types import InputSpec

SPEC = InputSpec((3, 16, 12))


def unlike_fresh(network: nn.Module) -> Any:
    """`network` in evaluation mode, with norms that change what they are given."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for value in (layer.running_mean, layer.running_var, layer.weight, layer.bias):
                if value is not None:
                    value.data.uniform_(0.5, 1.5)
    return network.eval()


def made(build: Any) -> tuple[Any, Tensor]:
    with seeded(0):
        return unlike_fresh(build()), torch.rand(2, *SPEC.shape)


def convolved(x: Tensor, layer: nn.Conv2d, stride: int = 1) -> Tensor:
    return f.conv2d(x, layer.weight, layer.bias, stride, layer.weight.shape[2] // 2)


def normed(x: Tensor, layer: nn.BatchNorm2d) -> Tensor:
    mean, var, weight, bias = (
        value[:, None, None]
        for value in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
        if value is not None
    )
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def strides(stages: int, blocks: int) -> list[int]:
    """Of every block: the first of each stage but the first halves the size."""
    return [2 if stage and not block else 1 for stage in range(stages) for block in range(blocks)]


def averaged(x: Tensor, linear: nn.Linear) -> Tensor:
    return x.mean(dim=(2, 3)) @ linear.weight.T + linear.bias


def test_a_residual_net():
    net, x = made(lambda: ResNet(SPEC, 4, widths=(4, 4, 6), blocks=(2, 2, 2)))
    y = normed(convolved(x, net.stem), net.norm).relu()
    blocks = [block for stage in net.stages for block in stage]
    for block, stride in zip(blocks, strides(3, 2), strict=True):
        branch = normed(convolved(y, block.conv1, stride), block.norm1).relu()
        branch = normed(convolved(branch, block.conv2), block.norm2)
        if not isinstance(block.shortcut, nn.Identity):
            y = normed(convolved(y, block.shortcut[0], stride), block.shortcut[1])
        y = (branch + y).relu()
    torch.testing.assert_close(net(x), averaged(y, net.linear), rtol=1e-4, atol=1e-4)
    shortcuts = [isinstance(block.shortcut, nn.Identity) for block in blocks]
    assert shortcuts == [True, True, False, True, False, True]


def test_a_wide_residual_net():
    net, x = made(lambda: WideResNet(SPEC, 4, depth=16, widen=1))
    y = convolved(x, net.stem)
    for block, stride in zip(net.blocks, strides(3, 2), strict=True):
        active = normed(y, block.norm1).relu()
        branch = convolved(
            normed(convolved(active, block.conv1, stride), block.norm2).relu(), block.conv2
        )
        y = branch + (y if block.shortcut is None else convolved(active, block.shortcut, stride))
    y = normed(y, net.norm).relu()
    torch.testing.assert_close(net(x), averaged(y, net.linear), rtol=1e-4, atol=1e-4)


def test_three_convolutions_and_a_global_average():
    net, y = made(lambda: ARCHITECTURES["gap-cnn"](SPEC, 4))
    x = y
    for i, stride in ((0, 1), (3, 2), (6, 1)):
        y = normed(convolved(y, net[i], stride), net[i + 1]).relu()
    torch.testing.assert_close(net(x), averaged(y, net[-1]), rtol=1e-4, atol=1e-4)


def test_lenet():
    net, x = made(lambda: ARCHITECTURES["lenet"](SPEC, 4))
    convolutions = [layer for layer in net if isinstance(layer, nn.Conv2d)]
    linear: list[Any] = [layer for layer in net if isinstance(layer, nn.Linear)]
    y = x
    for layer in convolutions:
        y = f.max_pool2d(convolved(y, layer).relu(), 2)
    y = y.flatten(1)
    for i, part in enumerate(linear):
        y = y @ part.weight.T + part.bias
        y = y.relu() if i < 2 else y
    torch.testing.assert_close(net(x), y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "widths"), [((3, 16, 12), (4, 8)), ((1, 64, 64), (4, 8, 16, 32))]
)
def test_a_discriminator(shape, widths):
    with seeded(0):
        net, x = Discriminator(InputSpec(shape), 4), torch.rand(2, *shape)
    convolutions = [layer for layer in net.layers if isinstance(layer, nn.Conv2d)]
    assert tuple(layer.out_channels for layer in convolutions) == widths
    y = x
    for layer in convolutions:
        y = f.conv2d(y, layer.weight, layer.bias, stride=2, padding=1)
        y = torch.where(y > 0, y, 0.2 * y)
    y = y.flatten(1) @ net.last.weight[0] + net.last.bias
    torch.testing.assert_close(net(x), y, rtol=1e-4, atol=1e-5)


def test_a_generator():
    net, _ = made(lambda: DFMEGenerator(SPEC, latent=5, width=6))
    z = torch.randn(2, 5)
    first, _, conv1, norm1, _, _, conv2, norm2, _, conv3, last = net.layers
    y = normed((z @ net.linear.weight.T + net.linear.bias).view(2, 6, 4, 3), first)
    for conv, norm in ((conv1, norm1), (conv2, norm2)):
        y = y.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        y = normed(convolved(y, conv), norm)
        y = torch.where(y > 0, y, 0.2 * y)
    mean, deviation = last.running_mean, (last.running_var + 1e-5).sqrt()
    y = (convolved(y, conv3) - mean[:, None, None]) / deviation[:, None, None]
    torch.testing.assert_close(net(z), y, rtol=1e-4, atol=1e-4)
