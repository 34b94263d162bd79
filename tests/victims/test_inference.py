"""A quickened victim answers as the victim does, and is used only where it does."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from copycost.engine import Engine
from copycost.nets import ARCHITECTURES
from copycost.nets.normalised import Normalised
from copycost.nets.seeded import build
from copycost.parts import InParts
from copycost.types import InputSpec
from copycost.victims.inference import fold_norms, quickened
from copycost.victims.module import ModuleVictim

SPEC = InputSpec((3, 16, 16))


def norms(module: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in module.modules())


AFTER_SUMS = {"wrn-22-2": 9, "wrn-28-10": 12}
"""Batch norms that see a sum and not a convolution: of every block but the first, and the last."""


def lived_in(module: nn.Module) -> nn.Module:
    """With statistics and weights of batch norm that are not those of a fresh one."""
    random = torch.Generator().manual_seed(1)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values in (norm.running_mean, norm.bias):
                assert values is not None
                values.data.normal_(generator=random).mul_(0.3)
            for values in (norm.running_var, norm.weight):
                assert values is not None
                values.data.uniform_(0.5, 2, generator=random)
    return module.eval()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_is_folded_and_answers_the_same(name: str) -> None:
    net = lived_in(build(ARCHITECTURES[name], SPEC, 10, 0))
    module = Normalised(net, torch.full((3,), 0.4), torch.full((3,), 0.2))
    victim = ModuleVictim(module, SPEC, 10)
    before = copy.deepcopy(module.state_dict())
    quick = quickened(victim, Engine("cpu"))
    x = torch.rand(5, *SPEC.shape)
    torch.testing.assert_close(quick(x), victim(x), rtol=1e-4, atol=1e-4)
    assert isinstance(quick, ModuleVictim)
    assert norms(quick.module) == AFTER_SUMS.get(name, 0)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])


class Stubborn(nn.Module):
    """Cannot be traced: it looks at values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x)).mean(dim=(2, 3))
        return y if float(y.sum()) > 0 else -y


class Forgetful(nn.Module):
    """Traces to something else: what it does depends on the size of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x.mean(dim=(2, 3)) * self.calls


@pytest.mark.parametrize("module", [Stubborn(), Forgetful()], ids=lambda m: type(m).__name__)
def test_a_module_that_does_not_fold_answers_as_it_is(module: nn.Module) -> None:
    victim = ModuleVictim(lived_in(module), SPEC, 4 if isinstance(module, Stubborn) else 3)
    quick = quickened(victim, Engine("cpu"))
    assert isinstance(quick, ModuleVictim)
    assert isinstance(quick.module, InParts)
    assert type(quick.module.module) is type(module)


def test_a_convolution_used_twice_is_left_alone() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.norm(self.conv(self.conv(x)))
            return y

    module = lived_in(Twice())
    x = torch.rand(2, 3, 4, 4)
    folded = fold_norms(copy.deepcopy(module))
    assert norms(folded) == 1
    torch.testing.assert_close(folded(x), module(x))


def test_parts_of_a_real_victim_answer_as_the_whole_does() -> None:
    victim = ModuleVictim(lived_in(build(ARCHITECTURES["gap-cnn"], SPEC, 10, 0)), SPEC, 10)
    quick = quickened(victim, Engine("cpu"))
    assert isinstance(quick, ModuleVictim)
    x = torch.rand(1030, *SPEC.shape)
    torch.testing.assert_close(quick(x), victim(x), rtol=1e-4, atol=1e-4)


def test_a_victim_that_is_more_than_a_module_is_not_replaced() -> None:
    class Counting(ModuleVictim):
        pass

    victim = Counting(build(ARCHITECTURES["gap-cnn"], SPEC, 10, 0), SPEC, 10)
    assert quickened(victim, Engine("cpu")) is victim


class Locked(nn.Module):
    """Holds something that cannot be copied, as models of users may."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(SPEC.size, 4))
        self.lock = threading.Lock()

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.inner(x)
        return answer


def normed_by_weight() -> nn.Module:
    layer = nn.utils.weight_norm(nn.Linear(SPEC.size, 4))
    net = nn.Sequential(nn.Flatten(), layer)
    net(torch.rand(2, *SPEC.shape))
    return net


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm`")
@pytest.mark.parametrize("build_it", [Locked, normed_by_weight])
def test_a_module_that_cannot_be_copied_is_asked_as_it_is(
    build_it: Callable[[], nn.Module],
) -> None:
    victim = ModuleVictim(build_it(), SPEC, 4)
    assert quickened(victim, Engine("cpu")) is victim
