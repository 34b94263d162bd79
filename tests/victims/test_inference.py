"""A quickened victim answers as the victim does, and is used only where it does."""

from __future__ import annotations

import copy
import random
import threading
from collections.abc import Callable

import numpy as np
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


@pytest.mark.parametrize(
    "name", [name for name in ARCHITECTURES if name not in ("bag-of-tokens", "text-cnn")]
)
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


def test_a_module_that_does_not_fold_answers_as_it_is() -> None:
    quick = quickened(ModuleVictim(lived_in(Stubborn()), SPEC, 4), Engine("cpu"))
    assert isinstance(quick, ModuleVictim)
    assert isinstance(quick.module, InParts)
    assert type(quick.module.module) is Stubborn


class ConvolutionAndNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)


def test_a_convolution_used_twice_is_left_alone() -> None:
    class Twice(ConvolutionAndNorm):
        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.norm(self.conv(self.conv(x)))
            return y

    module = lived_in(Twice())
    x = torch.rand(2, 3, 4, 4)
    folded = fold_norms(copy.deepcopy(module))
    assert norms(folded) == 1
    torch.testing.assert_close(folded(x), module(x))


def test_a_convolution_also_used_beside_its_norm_is_left_alone() -> None:
    class Beside(ConvolutionAndNorm):
        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            both: Tensor = y + self.norm(y)
            return both

    module = lived_in(Beside())
    x = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(fold_norms(copy.deepcopy(module))(x), module(x))


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


class ByView(nn.Module):
    """Flattens as PyTorch's tutorials do, which works in one layout alone."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.last = nn.Linear(4 * 14 * 14, 10)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.last(self.norm(self.convolution(x)).relu().view(-1, 4 * 14 * 14))
        return made


def test_a_module_that_flattens_by_view_is_folded_and_keeps_its_layout() -> None:
    victim = ModuleVictim(lived_in(ByView()), SPEC, 10)
    quick = quickened(victim, Engine("cpu"))
    assert isinstance(quick, ModuleVictim)
    x = torch.rand(70, *SPEC.shape).to(memory_format=torch.channels_last)
    torch.testing.assert_close(quick(x), victim(x), rtol=1e-4, atol=1e-4)
    assert norms(quick.module) == 0


class Stopping(nn.Module):
    """Answers two calls, and from then on with zeros; keeps its count in a plain attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = build(ARCHITECTURES["gap-cnn"], SPEC, 10, 0)
        self.begin()

    def begin(self) -> None:
        self.calls = 0

    def late(self) -> Tensor:
        self.calls += 1
        return torch.tensor(self.calls > 2)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.inner(x)
        return torch.where(self.late(), torch.zeros_like(scores), scores)


class ByBuffer(Stopping):
    counted: Tensor

    def begin(self) -> None:
        self.register_buffer("counted", torch.zeros((), dtype=torch.int64))

    def late(self) -> Tensor:
        self.counted += 1
        return self.counted > 2


class ByList(Stopping):
    def begin(self) -> None:
        self.noted: list[int] = []

    def late(self) -> Tensor:
        self.noted.append(1)
        return torch.tensor(len(self.noted) > 2)


class ByChance(Stopping):
    def late(self) -> Tensor:
        return torch.rand(()) < 0.5


class ByPythonsChance(Stopping):
    def late(self) -> Tensor:
        return torch.tensor(random.random() < 0.5)


class ByChanceOfItsOwn(Stopping):
    def begin(self) -> None:
        self.chance = np.random.default_rng(0)

    def late(self) -> Tensor:
        return torch.tensor(self.chance.random() < 0.5)


@pytest.mark.parametrize(
    "kind", [Stopping, ByBuffer, ByList, ByChance, ByPythonsChance, ByChanceOfItsOwn]
)
def test_a_module_that_remembers_or_draws_is_asked_itself(kind: type[nn.Module]) -> None:
    victim = ModuleVictim(kind().eval(), SPEC, 10)
    assert quickened(victim, Engine("cpu")) is victim


def test_what_a_module_remembers_counts_from_the_first_query() -> None:
    victim = quickened(ModuleVictim(Stopping().eval(), SPEC, 10), Engine("cpu"))
    answers = [victim(torch.rand(4, *SPEC.shape)) for _ in range(3)]
    assert [bool(answer.any()) for answer in answers] == [True, True, False]


def test_who_watches_a_module_sees_queries_and_nothing_else() -> None:
    module, seen = nn.Sequential(build(ARCHITECTURES["gap-cnn"], SPEC, 10, 0)), []
    module[0].register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    quickened(ModuleVictim(module, SPEC, 10), Engine("cpu"))(torch.rand(5, *SPEC.shape))
    assert seen == [5]


NOTED: list[int] = []


class Noting(nn.Linear):
    """Notes its calls where nobody looks for them."""

    def __init__(self) -> None:
        super().__init__(3 * 16 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        NOTED.append(len(x))
        return super().forward(x.flatten(1))


def test_a_module_with_nothing_to_fold_runs_its_own_code() -> None:
    quick = quickened(ModuleVictim(nn.Sequential(Noting()), SPEC, 10), Engine("cpu"))
    NOTED.clear()
    quick(torch.rand(5, *SPEC.shape))
    assert NOTED == [5]
