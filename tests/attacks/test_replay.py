"""The replay memory against a plain list that forgets its oldest entries."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from copycost.attacks.base import Attack
from copycost.attacks.disguide import DisGUIDE
from copycost.attacks.frugal import Frugal
from copycost.attacks.maze import MAZE
from copycost.attacks.random_noise import RandomNoise
from copycost.attacks.replay import MEBIBYTE, Batch, Replay
from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.oracle.meter import CountedOracle
from copycost.ranks import Ranks
from copycost.runner.checkpoint import load_checkpoint, save_checkpoint
from copycost.testing import tiny_victim
from copycost.types import Access, Answer, InputSpec, Modality

SPEC = InputSpec((1, 2, 2), low=-1.0, high=3.0)


def memory(capacity: int, access: Access = Access.PROBABILITIES) -> Replay:
    oracle = CountedOracle(tiny_victim(spec=SPEC, classes=3), access=access, budget=capacity)
    return Replay(oracle, Engine("cpu"), mebibytes=1)


def batch(first: int, n: int, access: Access = Access.PROBABILITIES) -> Batch:
    """Image i is of level i (mod 256) throughout, and its answer tells i."""
    i = torch.arange(first, first + n)
    images = (-1 + 4 * (i % 256).float() / 255).view(n, 1, 1, 1).expand(n, 1, 2, 2)
    if access is Access.LABEL:
        return Batch(images, Answer(access, i, None))
    scores = torch.stack((i.float(), -i.float() - 1, torch.zeros(n)), dim=1)
    return Batch(images, Answer(access, scores.argmax(dim=1), scores))


def held(replay: Replay) -> set[int]:
    """The numbers of the images in the memory, found by drawing much more than it holds."""
    drawn = replay.draw(60 * max(1, len(replay)), Engine("cpu").random(0))
    told = drawn.answer.labels if drawn.answer.scores is None else drawn.answer.scores[:, 0]
    levels = ((drawn.inputs[:, 0, 0, 0] + 1) / 4 * 255).round()
    assert torch.equal(levels, told.float() % 256), "an answer came with another's image"
    return {int(number) for number in told}


@settings(max_examples=40, deadline=None)
@given(
    capacity=st.integers(1, 12),
    sizes=st.lists(st.integers(1, 15), min_size=1, max_size=6),
    access=st.sampled_from([Access.LABEL, Access.PROBABILITIES]),
)
def test_holds_what_a_list_that_forgets_its_oldest_holds(capacity, sizes, access):
    replay, expected, at = memory(capacity, access), deque[int](maxlen=capacity), 0
    for n in sizes:
        replay.put(batch(at, n, access))
        expected.extend(range(at, at + n))
        at += n
        assert len(replay) == len(expected)
    assert held(replay) == set(expected)


@pytest.mark.parametrize("access", [Access.LABEL, Access.PROBABILITIES])
def test_labels_are_counted_of_what_is_held(access):
    replay = memory(4, access)
    assert replay.label_counts(3).tolist() == [0, 0, 0]
    for labels in ([0, 0, 1], [2, 1, 2]):  # the first two make room
        n = len(labels)
        scores = torch.eye(3)[labels] if access is Access.PROBABILITIES else None
        replay.put(Batch(torch.zeros(n, 1, 2, 2), Answer(access, torch.tensor(labels), scores)))
    assert replay.label_counts(3).tolist() == [0, 2, 2]
    assert replay.label_counts(5).tolist() == [0, 2, 2, 0, 0]


def test_images_come_back_within_half_a_level_and_in_range():
    images = torch.rand(200, 1, 2, 2) * 4 - 1
    images[0], images[1] = -1, 3
    replay = memory(200)
    answer = Answer(Access.PROBABILITIES, torch.arange(200) % 3, torch.rand(200, 3))
    replay.put(Batch(images, answer))
    drawn = replay.draw(500, Engine("cpu").random(0))
    SPEC.check_range(drawn.inputs)
    gaps = (drawn.inputs.flatten(1)[:, None] - images.flatten(1)[None]).abs().amax(dim=2)
    assert float(gaps.amin(dim=1).max()) <= 4 / 510 + 1e-6


def test_rows_come_back_as_they_were_and_count_four_bytes_a_value():
    spec = InputSpec((5,), low=-1.0, high=3.0, modality=Modality.TABULAR)
    oracle = CountedOracle(tiny_victim(spec=spec, classes=3), access="label", budget=10**9)
    replay = Replay(oracle, Engine("cpu"), 1)
    assert replay.capacity == MEBIBYTE // (4 * 5 + 8)
    rows = -1 + 4 * torch.rand(1, 5, generator=torch.Generator().manual_seed(0))
    replay.put(Batch(rows, Answer(Access.LABEL, torch.tensor([2]), None)))
    assert torch.equal(replay.draw(1, Engine("cpu").random(0)).inputs, rows)


@pytest.mark.parametrize("access", list(Access))
def test_answers_come_back_as_they_were_released(access):
    oracle = CountedOracle(tiny_victim(spec=SPEC, classes=3), access=access, budget=64, k=2)
    replay = Replay(oracle, Engine("cpu"), mebibytes=1)
    images = torch.linspace(-1, 3, 32).view(32, 1, 1, 1).expand(32, 1, 2, 2)
    asked = Batch(images, oracle(images))
    replay.put(asked)
    drawn = replay.draw(100, Engine("cpu").random(1))
    which = (drawn.inputs[:, 0, 0, :1] - images[:, 0, 0, 0]).abs().argmin(dim=1)
    assert drawn.answer.access is access
    assert torch.equal(drawn.answer.labels, asked.answer.labels[which])
    if asked.answer.scores is None:
        assert drawn.answer.scores is None
    else:
        assert drawn.answer.scores is not None
        assert torch.equal(drawn.answer.scores, asked.answer.scores[which])


def test_every_image_is_drawn_equally_often_by_numbers_of_the_attacks_own():
    replay = memory(10)
    replay.put(batch(0, 10))
    random = Engine("cpu").random(5)
    scores = replay.draw(20_000, random).answer.scores
    assert scores is not None
    counts = scores[:, 0].long().bincount(minlength=10)
    assert int(counts.min()) > 1_800
    assert int(counts.max()) < 2_200
    torch.manual_seed(0)
    first = replay.draw(8, Engine("cpu").random(5)).inputs
    torch.manual_seed(1)
    assert torch.equal(first, replay.draw(8, Engine("cpu").random(5)).inputs)


def test_the_bound_is_in_bytes_and_never_more_than_the_budget_can_fill():
    victim = tiny_victim(spec=InputSpec((3, 32, 32)), classes=10)

    def capacity(access: str, budget: int, mebibytes: int) -> int:
        oracle = CountedOracle(victim, access=access, budget=budget)
        return Replay(oracle, Engine("cpu"), mebibytes).capacity

    assert capacity("probabilities", 10**9, 2) == 2 * MEBIBYTE // (3072 + 4 * 10)
    assert capacity("label", 10**9, 2) == 2 * MEBIBYTE // (3072 + 8)
    assert capacity("label", 77, 2) == 77


@pytest.mark.parametrize(
    "attack",
    [
        Frugal(memory_mib=1),
        MAZE(memory_mib=1, width=8),
        DisGUIDE(memory_mib=1, width=8),
        RandomNoise(memory_mib=1, student_steps=2),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_an_attacks_memory_has_the_bound_that_was_asked_for(attack: Attack):
    spec = InputSpec((1, 8, 8))
    oracle = CountedOracle(tiny_victim(spec=spec), access="probabilities", budget=100_000)
    student = build(ARCHITECTURES["gap-cnn"], spec, 4, seed=3)
    replay = attack.start(student, oracle, Engine("cpu"), seed=1).need_memory()
    assert replay.capacity == MEBIBYTE // (64 + 4 * 4) < 100_000


def test_tokens_are_kept_as_they_are_in_four_bytes_each():
    spec = InputSpec((6,), modality=Modality.TEXT, vocabulary=70_000)
    victim = tiny_victim(spec=InputSpec((6,), modality=Modality.TABULAR), classes=3)
    victim.spec = spec
    oracle = CountedOracle(victim, access="label", budget=10**9)
    replay = Replay(oracle, Engine("cpu"), 2)
    assert replay.capacity == 2 * MEBIBYTE // (6 * 4 + 8)
    tokens = torch.randint(0, 70_000, (50, 6), generator=torch.Generator().manual_seed(0))
    replay.put(Batch(tokens, Answer(Access.LABEL, torch.arange(50), None)))
    drawn = replay.draw(200, Engine("cpu").random(1))
    assert drawn.inputs.dtype == torch.int64
    assert torch.equal(drawn.inputs, tokens[drawn.answer.labels])


def test_a_bound_under_one_image_is_an_error():
    oracle = CountedOracle(tiny_victim(spec=InputSpec((3, 1024, 512))), access="label", budget=9)
    with pytest.raises(ConfigError, match=r"memory_mib.*1,572,872 bytes"):
        Replay(oracle, Engine("cpu"), mebibytes=1)


def test_goes_on_bit_for_bit_from_a_checkpoint_no_larger_than_what_is_held(tmp_path: Path):
    whole, saved, resumed = memory(50), memory(50), memory(50)
    for replay in (whole, saved):
        replay.put(batch(0, 30))
    save_checkpoint(tmp_path / "checkpoint", saved.state())
    assert (tmp_path / "checkpoint").stat().st_size < 30 * (4 + 12) + 1000
    state = load_checkpoint(tmp_path / "checkpoint")
    assert state is not None
    resumed.restore(state)
    for replay in (whole, resumed):
        replay.put(batch(30, 33))
    ours, theirs = (replay.draw(40, Engine("cpu").random(3)) for replay in (whole, resumed))
    assert torch.equal(ours.inputs, theirs.inputs)
    assert ours.answer.scores is not None
    assert theirs.answer.scores is not None
    assert torch.equal(ours.answer.scores, theirs.answer.scores)
    assert held(resumed) == set(range(13, 63))


def test_a_ring_that_has_gone_round_goes_on_where_it_was():
    saved, resumed = memory(50), memory(50)
    saved.put(batch(0, 63))
    resumed.restore(saved.state())
    latest = resumed.draw(200, Engine("cpu").random(0), recent=1.0, window=3).answer.scores
    assert latest is not None
    assert {int(number) for number in latest[:, 0]} == {60, 61, 62}
    resumed.put(batch(63, 20))
    assert held(resumed) == set(range(33, 83))


@pytest.mark.parametrize("window", [1, 3, 20])
def test_recent_draws_come_from_the_latest_images_alone(window):
    replay = memory(capacity=8)
    for at in (0, 5, 10):  # the ring has gone round: 7 to 14 are held, 14 the latest
        replay.put(batch(at, 5))
    drawn = replay.draw(500, Engine("cpu").random(0), recent=1.0, window=window).answer.scores
    assert drawn is not None
    expected = range(15 - min(window, 8), 15)
    assert {int(number) for number in drawn[:, 0]} == set(expected)


def test_recent_draws_are_of_what_is_held_where_the_window_is_larger():
    replay = memory(capacity=100)
    replay.put(batch(0, 5))
    drawn = replay.draw(500, Engine("cpu").random(0), recent=1.0, window=20).answer.scores
    assert drawn is not None
    assert {int(number) for number in drawn[:, 0]} == set(range(5))


def test_recent_is_a_chance_and_the_rest_comes_from_all():
    replay = memory(capacity=100)
    replay.put(batch(0, 100))
    drawn = replay.draw(20_000, Engine("cpu").random(0), recent=0.5, window=1).answer.scores
    assert drawn is not None
    share = float((drawn[:, 0] == 99).float().mean())
    assert share == pytest.approx(0.5 + 0.5 / 100, abs=0.02)
    assert len(set(drawn[:, 0].tolist())) == 100


@pytest.mark.parametrize("access", [Access.PROBABILITIES, Access.LABEL])
@pytest.mark.parametrize("n", [1, 4, 5, 9, 12])
def test_a_batch_splits_in_order_and_every_answer_stays_with_its_image(access, n):
    parts = batch(0, 9, access).split(n)
    assert [len(part.inputs) for part in parts] == [len(x) for x in torch.arange(9).split(n)]
    for first, part in zip(range(0, 9, n), parts, strict=True):
        expected = batch(first, len(part.inputs), access)
        assert torch.equal(part.inputs, expected.inputs)
        assert torch.equal(part.answer.labels, expected.answer.labels)
        assert part.answer.access is access
        if expected.answer.scores is None:
            assert part.answer.scores is None
        else:
            assert part.answer.scores is not None
            assert torch.equal(part.answer.scores, expected.answer.scores)


def test_each_rank_holds_the_images_of_all_in_a_memory_for_all_their_budgets(monkeypatch):
    """Here of two ranks: the other one's images are numbered as ours and two more."""
    ranks = Ranks(0, 2)
    monkeypatch.setattr(ranks, "rows", lambda mine: torch.cat((mine, mine + 2)))
    engine = Engine("cpu")
    engine.ranks = ranks
    replay = Replay(
        CountedOracle(tiny_victim(spec=SPEC), access="label", budget=3), engine, mebibytes=1
    )
    assert replay.capacity == 6
    for first, expected in ((0, {0, 1, 2, 3}), (4, {2, 3, 4, 5, 6, 7})):
        replay.put(batch(first, 2, Access.LABEL))
        assert len(replay) == len(expected)
        assert held(replay) == expected


def test_a_draw_from_all_takes_one_number_an_image():
    replay, random, same = memory(10), Engine("cpu").random(5), Engine("cpu").random(5)
    replay.put(batch(0, 10))
    scores = replay.draw(8, random).answer.scores
    assert scores is not None
    assert scores[:, 0].long().tolist() == same.integers(8, below=10).tolist()
    assert torch.equal(random.state(), same.state())
