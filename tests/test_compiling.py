"""A compiled network is the same network."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch._inductor.config
from torch import Tensor, nn

from copycost.arithmetic import Step
from copycost.attacks.state import Player
from copycost.compiling import Compiled
from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.runner.copy_model import copy_model
from copycost.runner.folder import STUDENT_FOLDER
from copycost.schedules import Constant
from copycost.testing import TINY, tiny_victim
from copycost.types import Compile
from copycost.victims.module import ModuleVictim
from copycost.victims.saved import load_model
from tests.runner.conftest import tiny_config, tiny_target

# PyTorch warns of its own code when it imports its compiler.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


def player(engine: Engine) -> Player:
    net = build(ARCHITECTURES["gap-cnn"], TINY, 4, 0)
    return Player(engine, net, torch.optim.SGD(net.parameters(), lr=0.1), Constant())


modes = pytest.mark.parametrize(
    ("device", "mode"),
    [
        pytest.param("cpu", "on", marks=pytest.mark.slow),
        pytest.param("cuda", "on", marks=pytest.mark.gpu),
        pytest.param("cuda", "graphs", marks=pytest.mark.gpu),
    ],
)


@modes
def test_it_trains_and_answers_as_the_plain_one(device: str, mode: str) -> None:
    """In the turns of an attack: asked for an estimate, then taught, again and again."""
    plain, fast = player(Engine(device)), player(Engine(device, compile=mode))
    step = Step(1.0, TINY.size)
    for seed in range(4):
        random = torch.Generator().manual_seed(seed)
        images = torch.rand(48, *TINY.shape, generator=random).to(device)
        points, lesson = images.split([32, 16])
        answers = []
        for one in (plain, fast):
            with torch.no_grad(), one.engine.estimating(one.module, step) as network:
                answers.append([network(points) for _ in range(2)])
            one.descend(one(lesson).square().mean())
        for answer in answers[1]:  # the first of them after the second was computed
            torch.testing.assert_close(answer, answers[0][0], rtol=1e-3, atol=1e-4)
    for name, weight in plain.network.state_dict().items():
        torch.testing.assert_close(fast.network.state_dict()[name], weight, rtol=1e-3, atol=1e-4)


@modes
@pytest.mark.parametrize("attack", ["dfme", "frugal"])
def test_a_run_learns_the_same(device: str, mode: str, attack: str, tmp_path: Path) -> None:
    """All networks of a step together, where one's answers wait while the others compute."""
    # L2's gradients are as long however near a student is, and rounding then grows.
    settings: dict[str, float | str] = {"batch_size": 16, "student_steps": 2, "loss": "l1"}
    if attack == "dfme":
        settings |= {"width": 8, "latent": 8, "epsilon": 0.5}
    students = []
    for compiled in ("off", mode):
        config = tiny_config(
            attack=attack, settings=settings, compile=compiled, device=device, budget=16 * 7 * 8
        )
        victim = ModuleVictim(tiny_victim().module, TINY, 4, name="tiny", device=device)
        copy_model(config, tiny_target(victim), tmp_path / compiled)
        students.append(load_model(tmp_path / compiled / STUDENT_FOLDER)[0].state_dict())
    for name, weight in students[0].items():
        torch.testing.assert_close(students[1][name], weight, rtol=1e-2, atol=1e-3)


def test_only_the_two_sizes_of_a_run_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    net = build(ARCHITECTURES["lenet"], TINY, 4, 0)
    compiled: list[int] = []

    def spy(module, **_):
        def fast(x):
            compiled.append(len(x))
            return module(x)

        return fast

    monkeypatch.setattr(torch, "compile", spy)
    module = Compiled(net, Compile.ON, batch_size=8)
    for n in (8, 5, 16, 8, 24, 16):  # 5: the last of a budget; 24: a third size
        assert module(torch.rand(n, *TINY.shape)).shape == (n, 4)
    assert compiled == [8, 16, 8, 16]


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        ("dfme", {"generator": {16}, "victim": {32, 48}, "student": {16, 32}}),
        ("frugal", {"victim": {16}, "student": {16, 64}}),
    ],
)
def test_a_run_compiles_for_its_steps_and_for_nothing_else(
    attack: str, expected: dict[str, set[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for an evaluation's few points, which come first, nor for what is left at the end."""
    called = defaultdict[str, set[int]](set)
    roles = {"DFMEGenerator": "generator", "TinyNet": "victim", "Sequential": "student"}

    def spy(module: nn.Module, **options: object) -> Callable[[Tensor], Tensor]:
        def fast(x: Tensor) -> Tensor:
            called[roles[type(module).__name__]].add(len(x))
            output: Tensor = module(x)
            return output

        return fast

    monkeypatch.setattr(torch, "compile", spy)
    own = {
        "dfme": {"width": 8, "latent": 8, "student_steps": 3},
        "frugal": {"student_steps": 2, "candidates": 4},
    }
    settings = {"batch_size": 16} | own[attack]
    config = tiny_config(attack=attack, settings=settings, compile="on", budget=16 * 5 * 4 + 27)
    copy_model(config, tiny_target(), tmp_path)
    assert called == expected


def test_weights_are_shared_and_named_as_before() -> None:
    fast = player(Engine("cpu", compile="on"))
    before = copy.deepcopy(fast.network.state_dict())
    plain = build(ARCHITECTURES["gap-cnn"], TINY, 4, 0).state_dict()
    assert before.keys() == plain.keys()


def test_graphs_need_a_gpu() -> None:
    with pytest.raises(ConfigError, match="graphs needs a CUDA device"):
        Engine("cpu", compile="graphs")


def test_without_a_compiler_it_is_refused_before_anything_is_asked() -> None:
    with torch._inductor.config.patch({"cpp.cxx": (None, "/nonexistent")}):
        with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler for it, and there is none"):
            Engine("cpu", compile="on")
        Engine("cpu", compile="off")


def test_a_record_says_that_it_was_compiled() -> None:
    assert Engine("cpu", compile="on").arithmetic()["compile"] == "on"
    assert "compile" not in Engine("cpu").arithmetic()


@pytest.mark.parametrize("mode", [Compile.GRAPHS, Compile.ON])
def test_an_answer_survives_the_next_run_of_a_graph(
    mode: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = torch.zeros(2, 1)

    def graph(module: nn.Module, **options: object) -> Callable[[Tensor], Tensor]:
        return lambda x: buffer.copy_(x.detach())  # as CUDA graphs do: always the same memory

    monkeypatch.setattr(torch, "compile", graph)
    compiled = Compiled(nn.Identity(), mode)
    first = compiled(torch.ones(2, 1))
    compiled(torch.full((2, 1), 5.0))
    assert bool((first == 1).all()) == (mode is Compile.GRAPHS)


def test_a_gradient_s_norm_outlives_the_gradient_where_graphs_would_write_over_it() -> None:
    plain, other = player(Engine("cpu")), player(Engine("cpu"))
    other.engine.compile = Compile.GRAPHS  # its module is plain: there are no graphs on a CPU
    x = torch.rand(8, *TINY.shape)
    for one in (plain, other):
        one.descend(one(x).square().mean())
    wanted = plain.gradient_norm()
    for weight in other.network.parameters():
        weight.grad = torch.full_like(weight, 1e3)
    assert wanted > 0
    torch.testing.assert_close(other.gradient_norm(), wanted)
