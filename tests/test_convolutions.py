"""Convolutions by fewer products: against the layers that PyTorch has for them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from copycost.convolutions import Enlarging, Narrow, fewer_products
from copycost.engine import Engine
from copycost.nets.dfme_generator import DFMEGenerator
from copycost.nets.seeded import fresh_copy
from copycost.types import InputSpec


class Own(nn.Conv2d):
    """Scales what it computes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) / self.weight.std()


class Twice(nn.Sequential):
    """Does not do one layer after the other."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.add(super().forward(x), super().forward(x.flip(1)))


def watched(layer: nn.Module) -> nn.Module:
    layer.register_forward_hook(lambda layer, given, result: 2 * result)
    return layer


def pair(bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 5, 3, padding=1, bias=bias))


def narrow(bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.ReLU(), nn.Conv2d(7, 3, 3, padding=1, bias=bias))


def gradients(network: nn.Module, x: torch.Tensor, direction: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    return list(torch.autograd.grad(network(x), [x, *network.parameters()], direction))


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (5, 20), (64, 1), (2, 7)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("build", "channels", "kind"), [(pair, 3, Enlarging), (narrow, 7, Narrow)])
def test_values_and_gradients_are_those_of_the_plain_layers(build, channels, kind, bias, size):
    plain = build(bias).double()
    fast = fewer_products(copy.deepcopy(plain)).double()
    assert any(type(part) is kind for part in fast.modules())
    x = torch.randn((3, channels, *size), dtype=torch.float64)
    assert torch.allclose(fast(x), plain(x), atol=1e-12)
    direction = torch.randn_like(plain(x))
    for ours, theirs in zip(
        gradients(fast, x, direction), gradients(plain, x, direction), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize(("build", "channels"), [(pair, 3), (narrow, 7)])
@pytest.mark.parametrize("size", [(4, 6), (3, 5)])
def test_one_image_is_answered_as_in_a_batch(build, channels, size):
    _, fast = fewer_products(build().double()).children()
    x = torch.randn((channels, *size), dtype=torch.float64)
    (alone,) = fast(x[None])
    assert torch.allclose(fast(x), alone, atol=1e-12)
    direction = torch.randn_like(alone)
    ours, theirs = gradients(fast, x, direction), gradients(fast, x[None], direction[None])
    assert torch.allclose(ours[0], theirs[0][0], atol=1e-12)


def test_the_network_itself_is_changed_and_its_weights_are_not():
    network = pair()
    convolution = network[1]
    assert fewer_products(network) is network
    assert isinstance(network[1], Enlarging)
    assert network[1].weight is convolution.weight


def test_a_fresh_copy_has_the_fresh_weights_of_the_two_layers():
    plain = DFMEGenerator(InputSpec((1, 8, 8)), latent=4, width=8)
    before = torch.get_rng_state()
    fast = fewer_products(copy.deepcopy(plain))
    assert torch.equal(torch.get_rng_state(), before), "nothing is drawn for it"
    wanted, found = (fresh_copy(network, 5).state_dict() for network in (plain, fast))
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert not torch.equal(plain.state_dict()["layers.2.weight"], found["layers.2.weight"])


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Upsample(scale_factor=2), nn.Conv2d(3, 5, 3)),
        (nn.Upsample(scale_factor=2), nn.Conv2d(3, 5, 5, padding=1)),
        (nn.Upsample(scale_factor=2), nn.Conv2d(3, 5, 3, padding=1, padding_mode="reflect")),
        (nn.Upsample(scale_factor=3), nn.Conv2d(3, 5, 3, padding=1)),
        (nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(3, 5, 3, padding=1)),
        (nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3, padding=1, groups=2)),
        (nn.ReLU(), nn.Conv2d(7, 3, 3, padding=1, stride=2)),
        (nn.ReLU(), nn.Conv2d(7, 5, 3, padding=1)),
        (nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1)),
    ],
)
def test_other_pairs_stay_as_they_are(layers):
    sequence = nn.Sequential(*layers)
    fewer_products(sequence)
    assert list(sequence) == list(layers)


@pytest.mark.parametrize(
    "plain",
    [
        nn.Sequential(nn.Upsample(scale_factor=2), Own(7, 5, 3, padding=1)),
        nn.Sequential(nn.ReLU(), Own(7, 3, 3, padding=1)),
        nn.Sequential(nn.ReLU(), watched(nn.Conv2d(7, 3, 3, padding=1))),
        nn.Sequential(watched(nn.Upsample(scale_factor=2)), nn.Conv2d(7, 5, 3, padding=1)),
        nn.Sequential(nn.ReLU(), spectral_norm(nn.Conv2d(7, 3, 3, padding=1))),
        Twice(nn.Upsample(scale_factor=2), nn.Conv2d(7, 5, 3, padding=1)),
    ],
)
def test_layers_of_ones_own_and_watched_ones_stay_as_they_are(plain):
    layers = list(plain)
    fewer_products(plain)
    assert list(plain) == layers


@pytest.mark.parametrize(
    ("precision", "fast"), [("float32", True), ("tf32", False), ("bfloat16", False)]
)
def test_a_cpu_in_full_precision_trains_a_generator_so_and_saves_it_as_ever(precision, fast):
    torch.manual_seed(0)
    generator = DFMEGenerator(InputSpec((1, 8, 8)), latent=4, width=8)
    names = list(generator.state_dict())
    optimizer = torch.optim.Adam(generator.parameters())
    engine = Engine("cpu", precision)
    wrapped, _ = engine.setup(generator, optimizer)
    assert any(isinstance(part, Enlarging) for part in wrapped.modules()) is fast
    assert list(generator.state_dict()) == names
    before = [p.detach().clone() for p in generator.parameters()]
    engine.backward(wrapped(torch.randn(4, 4)).float().square().sum())
    optimizer.step()
    assert all((a != b).any() for a, b in zip(generator.parameters(), before, strict=True))
