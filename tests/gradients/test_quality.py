from __future__ import annotations

import torch

from copycost.gradients.quality import slope_correlation
from copycost.losses import l1
from copycost.testing import TinyNet


def gap(x, net):
    return l1(net(torch.sigmoid(x)), torch.zeros(len(x), 4))


def rounded(module):
    """The same net with its weights and inputs rounded to bfloat16, as autocast would."""

    def run(x):
        return gap(x.bfloat16().float(), module)

    return run


def correlation(measured, epsilon, n=128):
    net = TinyNet()
    x = torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    random = torch.Generator().manual_seed(1)
    return slope_correlation(measured(net), lambda p: gap(p, net), x, epsilon, random)


def plain(net):
    return lambda p: gap(p, net)


def test_float32_resolves_the_reference_step():
    assert correlation(plain, 1e-3) > 0.99


def test_bfloat16_drowns_it_and_a_step_of_one_survives():
    assert abs(correlation(rounded, 1e-3)) < 0.3
    assert correlation(rounded, 1.0) > 0.8


def test_far_too_large_a_step_is_no_slope():
    assert correlation(plain, 100.0) < 0.9


def test_a_function_that_does_not_vary_has_none():
    def flat(net):
        return lambda p: p.flatten(1).sum(1) * 0

    assert correlation(flat, 1e-3) == 0.0
