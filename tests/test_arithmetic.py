from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from copycost.arithmetic import (
    DEFAULT_STEP,
    SMALLEST_STEP,
    Step,
    computed_in,
    computing,
    default_step,
    described,
    round_to_tf32,
)
from copycost.studies.precision_record import read_precision
from copycost.types import Precision

CPU = torch.device("cpu")
TABLE = Path(__file__).parents[1] / "results" / "precision" / "small.json"


@given(st.floats(-(2.0**126), 2.0**126, width=32, allow_subnormal=False))
def test_rounding_is_to_nearest_with_ties_to_even(value):
    mantissa, exponent = math.frexp(value)
    wanted = np.float32(math.ldexp(float(np.rint(mantissa * 2**11)) / 2**11, exponent))
    assert float(round_to_tf32(torch.tensor([value]))[0]) == float(wanted)


def test_what_is_no_number_stays():
    x = torch.tensor([math.nan, math.inf, -math.inf])
    assert torch.equal(round_to_tf32(x).isnan(), x.isnan())
    assert torch.equal(round_to_tf32(x)[1:], x[1:])


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(64, 5))


def rounded_network(net):
    """What emulation should amount to, written out."""

    def run(x):
        conv, _, linear = net
        x = nn.functional.conv2d(round_to_tf32(x), round_to_tf32(conv.weight), padding=1)
        x = (x + conv.bias[:, None, None]).flatten(1)
        return round_to_tf32(x) @ round_to_tf32(linear.weight).T + linear.bias

    return run


def test_emulation_rounds_the_factors_of_every_product():
    net, x = network(), torch.randn(6, 3, 4, 4)
    with torch.no_grad():
        emulated = computed_in(Precision.TF32, CPU, net)(x)
        torch.testing.assert_close(emulated, rounded_network(net)(x), atol=1e-6, rtol=0)
        assert float((emulated - net(x)).abs().max()) > 1e-5
        assert torch.equal(computed_in(Precision.FLOAT32, CPU, net)(x), net(x))


@pytest.mark.parametrize(
    "product",
    [
        lambda a, b: a @ b,
        lambda a, b: torch.bmm(a[None], b[None])[0],
        lambda a, b: torch.einsum("ij,jk->ik", a, b),
        lambda a, b: nn.functional.linear(a, b.T),
        lambda a, b: nn.functional.conv1d(a[:, :, None], b.T[:, :, None])[:, :, 0],
        lambda a, b: nn.functional.conv_transpose1d(a[:, :, None], b[:, :, None])[:, :, 0],
    ],
)
def test_every_kind_of_product_is_emulated(product):
    a, b = torch.randn(5, 7), torch.randn(7, 3)
    with torch.no_grad(), computing(Precision.TF32, CPU):
        found = product(a, b)
    torch.testing.assert_close(found, round_to_tf32(a) @ round_to_tf32(b), atol=1e-6, rtol=0)
    assert not torch.allclose(found, a @ b, atol=1e-6, rtol=0)


def test_inference_mode_is_no_way_out():
    """There linear layers and convolutions reach the emulation whole."""
    net, x = network(), torch.randn(6, 3, 4, 4)
    with torch.inference_mode(), computing(Precision.TF32, CPU):
        found = net(x)
    with torch.no_grad():
        torch.testing.assert_close(found, rounded_network(net)(x), atol=1e-6, rtol=0)
        assert float((found - net(x)).abs().max()) > 1e-5


def test_products_of_the_backward_pass_are_rounded_too():
    weight = torch.randn(3, 7, requires_grad=True)
    x, back = torch.randn(5, 7), torch.randn(5, 3)
    with computing(Precision.TF32, CPU):
        nn.functional.linear(x, weight).backward(back)
    assert weight.grad is not None
    wanted = round_to_tf32(back).T @ round_to_tf32(x)
    torch.testing.assert_close(weight.grad, wanted, atol=1e-6, rtol=0)
    assert not torch.allclose(weight.grad, back.T @ x, atol=1e-6, rtol=0)


def test_nothing_is_emulated_after_the_block():
    a, b = torch.randn(5, 7), torch.randn(7, 3)
    before = a @ b
    with computing(Precision.TF32, CPU):
        a @ b
    assert torch.equal(a @ b, before)


def test_a_record_says_what_was_emulated():
    assert described(Precision.TF32, CPU) == "tf32 (emulated)"
    assert described(Precision.TF32, torch.device("cuda")) == "tf32"
    assert described(Precision.BFLOAT16, CPU) == "bfloat16"


@pytest.mark.gpu
def test_the_switch_is_set_back() -> None:
    cuda = torch.device("cuda")
    a = torch.randn(256, 256, device=cuda)
    exact = a @ a
    with computing(Precision.TF32, cuda):
        assert not torch.equal(a @ a, exact)
        with computing(Precision.FLOAT32, cuda):
            assert torch.equal(a @ a, exact)
        assert torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_a_default_step_is_the_papers_in_float32_and_survives_elsewhere():
    assert default_step(3072, Precision.FLOAT32) == Step(1e-3, 3072)
    for precision in Precision:
        for dimensions in (64, 3072, 150_528):
            assert default_step(dimensions, precision).survives(precision)
    small, large = (default_step(d, Precision.BFLOAT16) for d in (64, 6400))
    assert large.epsilon == pytest.approx(10 * small.epsilon)


def test_the_coarsest_arithmetic_decides():
    both = default_step(64, Precision.FLOAT32, Precision.BFLOAT16)
    assert both == default_step(64, Precision.BFLOAT16)
    assert not Step(1e-3, 3072).survives(Precision.TF32)
    assert not Step(1e-3, 64).survives(Precision.BFLOAT16)


@pytest.mark.skipif(not TABLE.exists(), reason="the table has not been recorded yet")
@pytest.mark.parametrize("precision", [Precision.TF32, Precision.BFLOAT16])
def test_defaults_rest_on_the_recorded_table(precision):
    record = read_precision(TABLE)
    for facts in record.pairs:
        cells = [
            cell
            for cell in record.cells
            if (cell.pair, cell.seed, cell.form) == (facts.pair, facts.seed, "forward")
            and cell.arithmetic.startswith(precision)
        ]
        best = max(cell.correlation for cell in cells)
        default = DEFAULT_STEP[precision] * facts.dimensions**0.5
        nearest = min(cells, key=lambda cell: abs(math.log(cell.epsilon / default)))
        assert nearest.correlation > best - 0.05
        drowned = [c for c in cells if Step(c.epsilon, facts.dimensions).per_value < 1e-4]
        assert all(c.correlation < 0.6 for c in drowned)
        smallest = SMALLEST_STEP[precision] * facts.dimensions**0.5
        kept = [c for c in cells if smallest <= c.epsilon <= default]
        assert all(c.correlation > 0.8 for c in kept)
