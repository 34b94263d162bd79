"""What every attack has from its base class, against numbers worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from copycost.attacks.random_noise import RandomNoise
from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.losses import kl, l1
from copycost.recovery import Centring, minimum, none
from copycost.schedules import Steps
from copycost.testing import TINY, TinyNet
from copycost.types import Access, Answer


@pytest.mark.parametrize(
    ("left", "images"),
    [(0, 0), (1, 0), (2, 2), (7, 7), (8, 8), (9, 5), (10, 5), (15, 8), (16, 8), (99, 8)],
)
@pytest.mark.parametrize("cost", [1, 3])
def test_the_last_two_steps_share_what_is_left(
    left: int, images: int, cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RandomNoise, "queries_per_image", cost)
    oracle: Any = SimpleNamespace(budget=1_000, spent=1_000 - cost * left - (cost - 1))
    assert RandomNoise(batch_size=8).affordable(oracle) == images


def test_the_student_descends_with_its_own_rate_momentum_decay_and_schedule() -> None:
    attack = RandomNoise(
        student_lr=0.03,
        student_momentum=0.7,
        student_weight_decay=0.02,
        schedule=Steps((0.5,), 0.1),
    )
    player = attack.student_player(TinyNet(TINY, 4, seed=5), Engine("cpu"))
    (group,) = player.optimizer.param_groups
    for time, rate in ((0.0, 0.03), (0.6, 0.003), (0.7, 0.003)):
        player.set_time(time)
        assert group["lr"] == pytest.approx(rate)
    assert (group["momentum"], group["weight_decay"]) == (0.7, 0.02)


@pytest.mark.parametrize(("recovery", "first", "second"), [(minimum, 2, 0), (none, -0.5, -2.5)])
def test_the_victims_logits_are_centred_as_asked(
    recovery: Centring, first: float, second: float
) -> None:
    log_p = torch.tensor([[-0.5, -2.5]])
    answer = Answer(Access.PROBABILITIES, torch.tensor([0]), log_p.exp())
    missed = RandomNoise(recovery=recovery, loss=l1).miss(torch.zeros(1, 2), answer)
    assert float(missed) == pytest.approx((abs(first) + abs(second)) / 2, rel=1e-5)


def test_a_loss_is_computed_in_float32_whatever_the_student_answers_in() -> None:
    answer = Answer(Access.PROBABILITIES, torch.tensor([0]), torch.tensor([[0.7, 0.3]]))
    scores = torch.tensor([[1.5, 0.25]], dtype=torch.bfloat16)
    p, said = answer.scores, torch.tensor([[1.5, 0.25]]).log_softmax(dim=1)
    assert p is not None
    expected = (p * (p.log() - said)).sum(dim=1)
    torch.testing.assert_close(RandomNoise(loss=kl).miss(scores, answer), expected)


@pytest.mark.parametrize(("batch", "ranks"), [(12, 5), (4, 4), (6, 6)])
def test_ranks_share_a_batch_evenly_with_two_images_each(batch: int, ranks: int) -> None:
    assert RandomNoise(batch_size=12).shared_by(6).batch_size == 2
    with pytest.raises(ConfigError, match=f"batch_size: {batch} images cannot be shared evenly"):
        RandomNoise(batch_size=batch).shared_by(ranks)
