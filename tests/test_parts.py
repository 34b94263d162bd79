"""A batch answered in parts is answered as the whole is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from copycost.arithmetic import Step
from copycost.attacks.state import Player
from copycost.engine import Engine
from copycost.parts import PART, InParts
from copycost.schedules import Constant


class Counted(nn.Module):
    """Remembers how many inputs each call brought."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append(len(x))
        return x.flatten(1).sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [(0, [0]), (1, [1]), (5, [5]), (6, [3, 3]), (11, [4, 4, 3]), (15, [5, 5, 5])],
)
def test_a_large_batch_is_answered_in_parts_and_in_order(inputs: int, expected: list[int]) -> None:
    module = Counted()
    x = torch.rand(inputs, 3, 2, 2)
    assert torch.equal(InParts(module, values=5 * 12 + 11)(x), x.flatten(1).sum(1, keepdim=True))
    assert module.calls == expected


def test_an_input_larger_than_a_part_is_still_answered_whole() -> None:
    module = Counted()
    InParts(module, values=11)(torch.rand(2, 3, 2, 2))
    assert module.calls == [1, 1]


class Norming(nn.Module):
    """Batch norm of one number an input, and a note of how many inputs each call brought."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(1)
        self.calls: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append(len(x))
        scores: Tensor = self.norm(x.flatten(1).sum(1, keepdim=True))
        return scores


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_student_is_split_at_a_finite_difference_and_never_in_training(precision: str) -> None:
    engine, net = Engine("cpu", precision), Norming()
    player = Player(engine, net, torch.optim.SGD(net.parameters(), lr=0.1), Constant())
    x = torch.rand(5, PART // 2)
    step = Step(1e-3, x[0].numel())  # bfloat16 does not survive it: float32 is computed in
    with engine.estimating(player.module, step) as student:
        split = student(x)
    assert net.calls == [2, 2, 1]
    net.calls.clear()
    with player.evaluating():
        torch.testing.assert_close(split, net(x))
    net.calls.clear()
    with engine.estimating(player.module, step, training=True) as student:
        student(x)
    player(x)
    assert net.calls == [5, 5]
