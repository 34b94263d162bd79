"""DFME's gap between two nets in the open, whose gradient autograd knows."""

from __future__ import annotations

import torch

from copycost.losses import l1
from copycost.noise import Noise
from copycost.testing import TinyNet

SHAPE = (1, 8, 8)


def random(seed=0):
    return Noise(seed, torch.device("cpu"))


def points(n, seed=1):
    return random(seed).normal(n, *SHAPE).double()


def gap(x):
    """Before the squash."""
    x = (torch.tanh(x) + 1) / 2
    student, victim = TinyNet(seed=0).double(), TinyNet(seed=1).double()
    return l1(student(x), victim(x))


def true_gradient(x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(gap(x).sum(), x)[0]
