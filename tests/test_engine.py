from __future__ import annotations

import pytest
import torch
from torch import nn

from copycost.attacks.state import Player
from copycost.engine import Engine, use_threads
from copycost.errors import ConfigError
from copycost.schedules import Constant, Steps
from copycost.testing import TINY, TinyNet


def player(engine: Engine, net: nn.Module, lr: float = 0.1) -> Player:
    return Player(engine, net, torch.optim.SGD(net.parameters(), lr=lr), Constant())


def test_bfloat16_trains_in_bfloat16_and_estimates_in_float32() -> None:
    engine = Engine("cpu", "bfloat16")
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4))
    x = torch.rand(8, 1, 8, 8)
    exact = net.eval()(x)
    learner = player(engine, net)
    with engine.estimating(learner.module, 1e-3) as student:
        assert torch.equal(student(x), exact)
    assert learner.module.training
    with engine.estimating(learner.module, 2.0) as student:
        rough = student(x)
    assert not torch.equal(rough.float(), exact)
    assert engine.arithmetic(1e-3)["estimate"] == "float32"
    assert engine.arithmetic(2.0)["estimate"] == "bfloat16"
    assert engine.arithmetic(1e-3)["training"] == "bfloat16"


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


def test_threads_default_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert use_threads() == 1
    assert use_threads(2) == 2
    use_threads(1)
