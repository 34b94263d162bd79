"""Models that are not what a victim expects, each of which somebody has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from copycost.engine import Engine
from copycost.errors import SpecMismatch, VictimFailed
from copycost.testing import TINY, TinyNet, tiny_victim
from copycost.victims.function import FunctionVictim
from copycost.victims.inference import quickened
from copycost.victims.module import ModuleVictim
from copycost.victims.saved import content_hash


def images(n: int = 6) -> Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(n))


class Wrapped(nn.Module):
    """The tiny net, its answer made into something else."""

    def __init__(self, made: Any) -> None:
        super().__init__()
        self.net, self.made = TinyNet(), made

    def forward(self, x: Tensor) -> Any:
        return self.made(self.net(x))


def test_probabilities_that_are_called_logits_are_refused() -> None:
    """Softmax over softmax makes all classes look alike: the copy would seem hard to make."""
    net = nn.Sequential(TinyNet(), nn.Softmax(dim=1))
    with pytest.raises(SpecMismatch, match="declare output='probabilities'"):
        ModuleVictim(net, TINY, 4)(images())
    assert ModuleVictim(net, TINY, 4, "probabilities")(images()).shape == (6, 4)
    positive = nn.Sequential(TinyNet(), nn.ReLU())
    assert ModuleVictim(positive, TINY, 4)(images()).shape == (6, 4)


@pytest.mark.parametrize(
    ("made", "advice"),
    [
        (lambda p: p.round(decimals=2), "divide each answer by its sum if they are rounded"),
        (lambda p: p * (p >= p.topk(2, dim=1).values[:, 1:]), "divide each answer by its sum"),
        (lambda p: 100 * p, "declare output='probabilities', and divide by 100"),
    ],
)
def test_so_are_rounded_ones_the_largest_and_those_in_per_cent(made: Any, advice: str) -> None:
    victim = ModuleVictim(Wrapped(lambda z: made((3 * z).softmax(dim=1))), TINY, 4)
    with pytest.raises(SpecMismatch, match=advice):
        victim(images())


@pytest.mark.parametrize(
    ("made", "advice"),
    [
        (lambda z: z, "logits, declare output='logits'"),
        (lambda z: 100 * z.softmax(dim=1), "per cent, divide them by 100"),
        (lambda z: 0.9 * z.softmax(dim=1), "only the largest, share what is missing evenly"),
        (lambda z: 3 * z.softmax(dim=1), "else divide each answer by its sum"),
    ],
)
def test_what_is_no_probability_is_told_what_it_may_be(made: Any, advice: str) -> None:
    victim = ModuleVictim(Wrapped(made), TINY, 4, "probabilities")
    with pytest.raises(SpecMismatch, match=advice) as refused:
        victim(images())
    assert ("logits" in str(refused.value)) == ("logits" in advice or "else" in advice)


def test_an_output_that_there_is_not_is_told_the_words() -> None:
    with pytest.raises(SpecMismatch, match="logits, probabilities or label, got 'probs'"):
        ModuleVictim(TinyNet(), TINY, 4, "probs")


class InPlace(nn.Module):
    """Normalises what it is given where it lies."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sub_(0.3).div_(0.4).flatten(1)[:, :4]


def in_place(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    x -= 0.3
    x /= 0.4
    return x.reshape(len(x), -1)[:, :4]


@pytest.mark.parametrize(
    "victim",
    [ModuleVictim(InPlace(), TINY, 4), FunctionVictim(in_place, TINY, 4, "logits")],
)
def test_what_was_asked_stays_as_it_was(victim: Any) -> None:
    x = images()
    first = victim(x)
    assert torch.equal(x, images())
    assert torch.equal(victim(x), first)
    assert torch.equal(quickened(victim, Engine("cpu"))(x), first)


def test_every_part_is_asked_in_evaluation_mode() -> None:
    """A head that was replaced after `eval()` is in training mode, and its parent is not."""
    net = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 4)).eval()
    net[0].train()
    net[2].train()
    victim, before = ModuleVictim(net, TINY, 4), content_hash(net)
    assert torch.equal(victim(images()), victim(images()))
    assert content_hash(net) == before


@pytest.mark.parametrize("made", [lambda z: (z, z), lambda z: {"logits": z}, lambda z: [z]])
def test_an_answer_that_is_no_tensor_is_named(made: Any) -> None:
    victim = ModuleVictim(Wrapped(made), TINY, 4)
    for asked in (victim, quickened(victim, Engine("cpu"))):
        with pytest.raises(SpecMismatch, match=r"one tensor from victim .*wrap the module"):
            asked(images())


def test_what_a_module_raises_is_the_victims_failure() -> None:
    victim = ModuleVictim(TinyNet().double(), TINY, 4, name="mine")
    for asked in (victim, quickened(victim, Engine("cpu"))):
        with pytest.raises(
            VictimFailed, match=r"victim 'mine' raised RuntimeError.* The 6 queries"
        ):
            asked(images())


def test_weights_that_are_no_tensors_are_named() -> None:
    class Packed(nn.Module):
        def get_extra_state(self) -> object:
            return ("packed",)

        def set_extra_state(self, state: object) -> None: ...

    with pytest.raises(SpecMismatch, match=r"tuple at _extra_state.*FunctionVictim"):
        content_hash(Packed())


@pytest.mark.parametrize(
    "made",
    [
        lambda p: p[:, ::-1],
        lambda p: p[:, ::-1].astype(">f4"),
        lambda p: torch.from_numpy(p[:, ::-1].copy()),
        lambda p: torch.from_numpy(p[:, ::-1].copy()).double(),
        lambda p: p[:, ::-1].tolist(),
    ],
)
def test_a_function_may_give_numbers_in_any_order_of_memory(made: Any) -> None:
    def ask(x: np.ndarray[Any, Any]) -> Any:
        return made(tiny_victim()(torch.from_numpy(x)).numpy())

    answer = FunctionVictim(ask, TINY, 4, "logits")(images())
    assert torch.equal(answer, tiny_victim()(images()).flip(1))
