from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from copycost.arithmetic import Step, round_to_tf32
from copycost.attacks.state import Player
from copycost.engine import Engine, omp_threads, use_threads
from copycost.errors import ConfigError
from copycost.schedules import Constant, Steps
from copycost.testing import TINY, TinyNet
from copycost.types import Precision


def player(engine: Engine, net: nn.Module, lr: float = 0.1) -> Player:
    return Player(engine, net, torch.optim.SGD(net.parameters(), lr=lr), Constant())


def test_bfloat16_trains_in_bfloat16_and_estimates_in_float32() -> None:
    engine = Engine("cpu", "bfloat16")
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4))
    x = torch.rand(8, 1, 8, 8)
    exact = net.eval()(x)
    learner = player(engine, net)
    small, large = Step(1e-3, 64), Step(2.0, 64)
    with engine.estimating(learner.module, small) as student:
        torch.testing.assert_close(student(x), exact)
    assert learner.module.training
    with engine.estimating(learner.module, large) as student:
        rough = student(x)
    assert not torch.allclose(rough.float(), exact)
    assert engine.arithmetic(small)["estimate"] == "float32"
    assert engine.arithmetic(large)["estimate"] == "bfloat16"
    assert engine.arithmetic(small)["training"] == "bfloat16"


def test_an_arithmetic_insisted_on_is_used_though_it_drowns() -> None:
    engine = Engine("cpu", "float32", estimate="tf32")
    linear = nn.Linear(64, 4)
    net = nn.Sequential(nn.Flatten(), linear)
    x = torch.rand(8, 1, 8, 8)
    learner, step = player(engine, net), Step(1e-3, 64)
    with torch.no_grad(), engine.estimating(learner.module, step) as student:
        wanted = round_to_tf32(x.flatten(1)) @ round_to_tf32(linear.weight).T + linear.bias
        torch.testing.assert_close(student(x), wanted, atol=1e-6, rtol=0)
    assert engine.arithmetic(step) == {
        "training": "float32",
        "estimate": "tf32 (emulated)",
        "victim": "tf32 (emulated)",
        "tf32": "emulated where named",
        "epsilon": "0.001",
    }


def test_tf32_trains_on_rounded_operands_forwards_and_backwards() -> None:
    net = nn.Linear(64, 4, bias=False)
    start = net.weight.detach().clone()
    learner = player(Engine("cpu", "tf32"), net, lr=1.0)
    x, gradient = torch.rand(8, 64), torch.randn(8, 4)
    y = learner(x)
    torch.testing.assert_close(y, round_to_tf32(x) @ round_to_tf32(start).T, atol=1e-6, rtol=0)
    learner.descend(y, gradient)
    wanted = round_to_tf32(gradient).T @ round_to_tf32(x)
    torch.testing.assert_close(start - net.weight.detach(), wanted, atol=1e-5, rtol=0)
    assert not torch.allclose(wanted, gradient.T @ x, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("precision", "estimate", "victim", "epsilon", "wanted"),
    [
        ("float32", None, None, 1e-3, "float32"),
        ("bfloat16", None, None, None, "bfloat16"),
        ("bfloat16", None, None, 1e-3, "float32"),  # estimated in float32, so answered in it
        ("bfloat16", "bfloat16", None, 1e-3, "bfloat16"),
        ("bfloat16", None, "float32", None, "float32"),
        ("float32", None, "tf32", 1e-3, "tf32 (emulated)"),
    ],
)
def test_the_victim_follows_the_estimate_unless_told_otherwise(
    precision: str, estimate: str | None, victim: str | None, epsilon: float | None, wanted: str
) -> None:
    engine = Engine("cpu", precision, estimate=estimate, victim=victim)
    assert engine.arithmetic(engine.step(epsilon, 3072))["victim"] == wanted


def test_a_step_left_out_suits_the_coarser_of_both_networks() -> None:
    assert Engine("cpu").step(None, 3072).epsilon == 1e-3
    assert Engine("cpu", "bfloat16").step(None, 3072).survives(Precision.BFLOAT16)
    assert Engine("cpu", victim="bfloat16").step(None, 3072).survives(Precision.BFLOAT16)
    assert Engine("cpu", "bfloat16").step(1e-3, 3072).epsilon == 1e-3


def test_tf32_is_off() -> None:
    Engine("cpu")
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_a_player_descends_and_follows_its_schedule() -> None:
    net = TinyNet(TINY)
    learner = Player(
        Engine("cpu"), net, torch.optim.SGD(net.parameters(), lr=0.1), Steps((0.5,), 0.1)
    )
    x = torch.rand(8, 1, 8, 8)
    before = float(learner(x).detach().square().mean())
    learner.set_time(0.6)
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(0.01)
    learner.set_time(0.0)
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
    for _ in range(5):
        learner.descend(learner(x).square().mean())
    assert float(learner(x).detach().square().mean()) < before
    assert float(learner.gradient_norm()) > 0


def test_a_network_that_came_in_evaluation_mode_learns_in_training_mode() -> None:
    net = nn.BatchNorm2d(3).eval()
    learner = player(Engine("cpu"), net, lr=1.0)
    learner(torch.rand(4, 3, 2, 2) + 5)
    assert learner.module.training
    assert net.num_batches_tracked == 1


def test_a_gradient_given_is_the_one_taken() -> None:
    net = nn.Linear(3, 2, bias=False)
    start = net.weight.detach().clone()
    learner = player(Engine("cpu"), net, lr=1.0)
    x, gradient = torch.rand(1, 3), torch.tensor([[1.0, -2.0]])
    learner.descend(learner(x), gradient)
    torch.testing.assert_close(start - net.weight.detach(), gradient.T @ x)


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "cpu:1", "cuda:99"])
def test_a_device_that_is_not_there_is_a_clear_error(device: str) -> None:
    with pytest.raises(ConfigError, match="device"):
        Engine(device)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_nothing_is_begun(mode: Any) -> None:
    with mode(), pytest.raises(ConfigError, match="Gradients are off"):
        Engine("cpu")


def test_another_default_type_is_a_clear_error() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(ConfigError, match=r"is torch.float64, where float32 is expected"):
            Engine("cpu")
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_arithmetic_from_around_is_not_taken_over() -> None:
    with (
        torch.autocast("cpu", torch.bfloat16),
        pytest.raises(ConfigError, match=r"torch.autocast is on.*the setting precision chooses"),
    ):
        Engine("cpu")


def test_another_default_device_is_a_clear_error() -> None:
    with torch.device("meta"), pytest.raises(ConfigError, match=r"default device is meta.*cpu"):
        Engine("cpu")


def test_threads_default_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert use_threads() == 1
    assert use_threads(2) == 2
    use_threads(1)


@pytest.mark.parametrize("chosen", [{"precision": "tf32"}, {"victim": "bfloat16"}])
def test_an_arithmetic_the_device_cannot_do_is_a_clear_error(chosen, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (7, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Tesla V100")
    with pytest.raises(ConfigError, match=r"Tesla V100 cannot compute in (tf32|bfloat16)"):
        Engine("cuda", **chosen)


@pytest.mark.parametrize(
    ("said", "expected"), [("3", 3), ("4,2", 4), ("", None), ("0", None), ("many", None)]
)
def test_threads_are_what_openmp_is_told(
    said: str, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert omp_threads() == expected
