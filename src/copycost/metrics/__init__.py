"""Measures of how good a copy is: pure functions of answers."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def accuracy(predicted: Int[Tensor, " N"], labels: Int[Tensor, " N"]) -> float:
    """Share of predictions that are right."""
    return float((predicted == labels).double().mean())


def agreement(student: Int[Tensor, " N"], victim: Int[Tensor, " N"]) -> float:
    """Share of inputs on which both choose the same class, or fidelity (Jagielski et al. 2020)."""
    return accuracy(student, victim)


def mean_kl(victim: Float[Tensor, "N K"], student: Float[Tensor, "N K"]) -> float:
    """Mean KL(victim || student) in nats, from the log-probabilities [N, K] of each."""
    terms = victim.exp() * (victim - student)
    return float(torch.where(victim.exp() > 0, terms, 0.0).sum(dim=1).double().mean())


def commonest_share(predicted: Int[Tensor, " N"]) -> float:
    """Share of inputs that get the class chosen most often; 1 if all get the same."""
    return int(predicted.bincount().max()) / len(predicted)


def mean_l1(one: Float[Tensor, "N K"], other: Float[Tensor, "N K"]) -> float:
    """Mean L1 distance between the probabilities [K] of two answers, from 0 to 2."""
    return float((one - other).abs().sum(dim=1).double().mean())
