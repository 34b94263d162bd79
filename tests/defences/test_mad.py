"""MAD's corners against a search over all of them, and against networks of random weights."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from copycost.defences.mad import Mad, MadArgmax
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.testing import ScriptedVictim
from copycost.types import Access, InputSpec

CLASSES = 6
VICTIM = ScriptedVictim(torch.full((CLASSES,), 1 / CLASSES), Access.PROBABILITIES)


def answers(n: int, seed: int = 0) -> Tensor:
    """Sure and unsure ones, [n, K]."""
    random = torch.Generator().manual_seed(seed)
    sharpness = torch.linspace(0.5, 6, n)[:, None]
    return (sharpness * torch.randn(n, CLASSES, generator=random)).softmax(dim=1)


def gradient(q: Tensor, target: Tensor) -> Tensor:
    """That of the cross-entropy in the weights of a last layer with three features, flat.

    By autograd, where the layer's probabilities are q [K] for the features.
    """
    features = torch.tensor([0.3, -1.2, 0.7])
    weights = torch.zeros(len(q), 3, requires_grad=True)
    logits = weights @ features + q.log()
    loss = -(target * logits.log_softmax(dim=0)).sum()
    return torch.autograd.grad(loss, weights)[0].flatten()


def deviation(q: Tensor, p: Tensor, other: Tensor) -> float:
    """What MAD maximises, for single answers [K]."""
    turned, true = (functional.normalize(gradient(q, y), dim=0) for y in (other, p))
    return float((turned - true).norm())


def corners(first: int) -> list[Tensor]:
    """Every even distribution over a set of classes with `first` in it, but for the set of all."""
    others = [k for k in range(CLASSES) if k != first]
    sets = [(first, *rest) for size in range(CLASSES - 1) for rest in combinations(others, size)]
    return [torch.zeros(CLASSES).index_fill(0, torch.tensor(s), 1 / len(s)) for s in sets]


def best(q: Tensor, p: Tensor, among: list[Tensor]) -> Tensor:
    return max(among, key=lambda corner: deviation(q, p, corner))


UNIFORM = torch.full((CLASSES,), 1 / CLASSES)


def test_the_corner_is_the_farthest_of_all_classes() -> None:
    p = answers(40)
    found = Mad(VICTIM, 2).corner(p)
    searched = torch.stack([best(UNIFORM, row, list(torch.eye(CLASSES))) for row in p])
    assert torch.equal(found, searched)


def test_the_corner_is_the_farthest_of_all_sets_with_the_first_choice() -> None:
    p = answers(40)
    found = MadArgmax(VICTIM, 2).corner(p)
    searched = torch.stack([best(UNIFORM, row, corners(int(row.argmax()))) for row in p])
    torch.testing.assert_close(found, searched, atol=1e-4, rtol=0)
    assert len({int((row > 0).sum()) for row in found}) > 1  # sets of several sizes


@pytest.mark.parametrize("student", ["gap-cnn", "lenet"])
def test_a_network_of_random_weights_is_turned_almost_as_far(student: str) -> None:
    """As the paper's surrogate is such a network, and not one that says 1/K."""
    p = answers(30)
    network = build(ARCHITECTURES[student], InputSpec((1, 8, 8)), CLASSES, 0).eval()
    with torch.no_grad():
        images = torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(1))
        surrogates = network(images).softmax(dim=1)
    ours, most = [], []
    for q, row, corner in zip(surrogates, p, MadArgmax(VICTIM, 2).corner(p), strict=True):
        ours.append(deviation(q, row, corner))
        most.append(deviation(q, row, best(q, row, corners(int(row.argmax())))))
    assert sum(ours) > 0.95 * sum(most)


@pytest.mark.parametrize("kind", [Mad, MadArgmax])
def test_an_answer_is_as_far_as_allowed(kind: type[Mad]) -> None:
    p = answers(50)
    for epsilon in (0.0, 0.3, 1.0):
        moved = (kind(VICTIM, epsilon).perturb(p) - p).abs().sum(dim=1)
        reachable = (kind(VICTIM, 2).corner(p) - p).abs().sum(dim=1).clamp(max=epsilon)
        torch.testing.assert_close(moved, reachable, atol=1e-5, rtol=0)
    assert torch.allclose(kind(VICTIM, 2).perturb(p), kind(VICTIM, 2).corner(p), atol=1e-6)


def test_the_first_choice_stays() -> None:
    p = answers(500)
    p[0] = 1 / CLASSES  # no preference at all
    for epsilon in (0.1, 0.5, 1.0, 2.0):
        released = MadArgmax(VICTIM, epsilon).perturb(p)
        assert torch.equal(released.argmax(dim=1), p.argmax(dim=1))
    assert not torch.equal(Mad(VICTIM, 2).perturb(p).argmax(dim=1), p.argmax(dim=1))


def test_of_two_classes_only_the_first_choice_can_stay() -> None:
    p = torch.tensor([[0.6, 0.4], [0.1, 0.9]])
    assert torch.allclose(MadArgmax(VICTIM, 2).perturb(p), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
