"""Generators: sizes, ranges, moments, and the errors for what they cannot make."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from copycost.errors import ConfigError, SpecMismatch
from copycost.nets import GENERATORS
from copycost.nets.dfme_generator import DFMEGenerator
from copycost.nets.generator import squash
from copycost.nets.seeded import seeded
from copycost.types import InputSpec, Modality


def make(shape=(1, 8, 8), latent=16, width=8, seed=0, **range_):
    with seeded(seed):
        return GENERATORS["dfme"](InputSpec(shape, **range_), latent=latent, width=width)


def noise(count, latent, seed=0):
    return torch.randn(count, latent, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 4),
    quarters=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    latent=st.integers(1, 20),
    half_width=st.integers(1, 5),
    low=st.floats(-3, 3),
    span=st.floats(0.01, 5),
)
def test_any_size_that_divides_by_four_comes_out_in_range(
    channels, quarters, latent, half_width, low, span
):
    shape = (channels, 4 * quarters[0], 4 * quarters[1])
    spec = InputSpec(shape, low=low, high=low + span)
    generator = GENERATORS["dfme"](spec, latent=latent, width=2 * half_width)
    x = generator(noise(2, latent))
    assert x.shape == (2, *shape)
    assert generator.latent == latent
    spec.check_shape(squash(x, spec))
    spec.check_range(squash(x, spec))


def test_layers_are_those_of_generator_a():
    generator = GENERATORS["dfme"](InputSpec((3, 32, 32)))
    assert isinstance(generator, DFMEGenerator)
    kinds = [type(layer).__name__ for layer in generator.layers]
    norm, up, conv, leaky = "BatchNorm", "Upsample", "Conv2d", "LeakyReLU"
    assert kinds == [norm, *(2 * [up, conv, norm, leaky]), conv, norm]
    linear = 256 * 8192 + 8192
    convolutions = (9 * 128 * 128 + 128) + (9 * 128 * 64 + 64) + (9 * 64 * 3 + 3)
    norms = 2 * (128 + 128 + 64)  # the last has none
    assert sum(p.numel() for p in generator.parameters()) == linear + convolutions + norms


def test_channels_have_mean_0_and_variance_1_before_the_squash_whatever_the_weights():
    generator = make((3, 16, 16))
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(3).add_(0.1)
    x = generator.train()(noise(64, 16)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(x.mean(1), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(x.var(1, unbiased=False), torch.ones(3), atol=1e-2, rtol=0)


def test_every_latent_number_and_every_weight_matters():
    generator = make((2, 8, 12))
    z = noise(4, 16).requires_grad_()
    squash(generator(z), generator.spec).square().sum().backward()
    assert z.grad is not None
    assert (z.grad != 0).any(0).all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in generator.parameters())


def test_evaluation_treats_each_latent_by_itself():
    generator = make()
    generator(noise(32, 16))
    generator.eval()
    z = noise(5, 16, seed=1)
    alone = torch.cat([generator(row[None]) for row in z])
    torch.testing.assert_close(generator(z), alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("ends", [(0.0, 1.0), (-1.0, 1.0), (-0.42421296, 2.8214867), (0.1, 2.8)])
def test_squash_meets_its_ends_and_never_crosses_them(ends, dtype):
    spec = InputSpec((1, 1, 5), low=ends[0], high=ends[1])
    x = torch.tensor([-torch.inf, -40, 0, 40, torch.inf], dtype=dtype)
    y = squash(x, spec)
    spec.check_range(y)
    expected = torch.tensor([ends[0], ends[0], sum(ends) / 2, ends[1], ends[1]], dtype=y.dtype)
    torch.testing.assert_close(y, expected)
    assert y.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


def test_squash_has_the_derivative_of_tanh():
    spec = InputSpec((1, 1, 9), low=-0.5, high=2.5)
    x = torch.linspace(-3, 3, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: squash(v, spec), x)
    (slope,) = torch.autograd.grad(squash(x, spec).sum(), x)
    torch.testing.assert_close(slope, 1.5 * (1 - torch.tanh(x.detach()) ** 2))


@pytest.mark.parametrize("shape", [(1, 9, 8), (1, 8, 30), (3, 2, 2)])
def test_sizes_that_do_not_divide_are_refused(shape):
    with pytest.raises(SpecMismatch, match=f"divide by 4, got {shape[1]}x{shape[2]}"):
        make(shape)


def test_every_setting_that_cannot_be_used_is_named():
    with pytest.raises(ConfigError) as caught:
        make(latent=0, width=7)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("shape", [(7,), (2, 3), (1, 8, 9)])
def test_a_perceptron_makes_numbers_of_any_shape_with_mean_0_and_variance_1(shape):
    modality = Modality.IMAGE if len(shape) == 3 else Modality.TABULAR
    with seeded(0):
        generator = GENERATORS["mlp"](InputSpec(shape, modality=modality), latent=16, width=8)
    x = generator.train()(noise(200, 16))
    assert x.shape == (200, *shape)
    torch.testing.assert_close(x.mean(0), torch.zeros(shape), atol=1e-3, rtol=0)
    torch.testing.assert_close(x.var(0, unbiased=False), torch.ones(shape), atol=1e-2, rtol=0)
    for size in ({"latent": 0}, {"width": 0}):
        with pytest.raises(ConfigError, match="expected latent and width of at least 1"):
            GENERATORS["mlp"](InputSpec(shape, modality=modality), **size)
