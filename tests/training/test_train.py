"""The training loop: it learns, it is repeatable, and its last model is the one it returns."""

from __future__ import annotations

import copy
import warnings
from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

from copycost.datasets import load
from copycost.datasets.base import Dataset, Labelled
from copycost.errors import ConfigError, Unstable
from copycost.nets.normalised import Normalised
from copycost.settings import read_settings
from copycost.training import train as loop
from copycost.training.recipe import Recipe
from copycost.training.train import Training, accuracy, as_floats, moments, prepare, train
from copycost.victims.saved import Card, content_hash, load_model, save_model

QUICK = Recipe("lenet", epochs=2, batch_size=16, peak_lr=0.05, crop=1, flip=True)


def bright_or_dark(count, seed, shape=(2, 8, 8)):
    """Two classes told apart by brightness, a third by its first channel."""
    chance = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    inputs = torch.randint(0, 100, (count, *shape), generator=chance)
    inputs[labels == 1] += 150
    inputs[labels == 2, 0] += 150
    return Labelled(inputs.to(torch.uint8), labels)


@pytest.fixture(scope="module")
def tiny():
    return Dataset(
        "tiny", "made here", ("a", "b", "c"), bright_or_dark(70, 0), bright_or_dark(40, 1)
    )


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_learns_digits_in_seconds(digits):
    recipe = Recipe("lenet", epochs=12, batch_size=64, peak_lr=0.1)
    losses = []
    module = train(recipe, digits, "cpu", 0, lambda epoch, loss, _: losses.append((epoch, loss)))
    assert accuracy(module, digits.test, "cpu") > 0.95
    assert [epoch for epoch, _ in losses] == list(range(1, 13))
    assert losses[-1][1] < 0.1 < losses[0][1]


@pytest.mark.parametrize("changes", [{}, {"architecture": "small-resnet"}])
def test_a_seed_gives_the_same_weights_whatever_was_drawn_before(tiny, changes):
    recipe = replace(QUICK, **changes)
    torch.manual_seed(1)
    one = content_hash(train(recipe, tiny, "cpu", 7))
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    assert content_hash(train(recipe, tiny, "cpu", 7)) == one
    assert torch.equal(torch.random.get_rng_state(), state)
    assert content_hash(train(recipe, tiny, "cpu", 8)) != one


@pytest.mark.parametrize(
    "changes",
    [
        {"momentum": 0.0},
        {"weight_decay": 0.1},
        {"warm_up": 0.0},
        {"label_smoothing": 0.2},
        {"crop": 0},
        {"flip": False},
        {"normalise": False},
        {"precision": "bf16-mixed"},
    ],
)
def test_every_setting_does_something(tiny, changes):
    plain = prepared_hash(QUICK, tiny)
    assert prepared_hash(replace(QUICK, **changes), tiny) != plain


def prepared_hash(recipe, dataset):
    module = train(recipe, dataset, "cpu", 0)
    return content_hash(module.module if isinstance(module, Normalised) else module)


def test_the_module_returned_evaluates_in_float32_with_plain_strides(tiny):
    module = train(replace(QUICK, precision="bf16-mixed"), tiny, "cpu", 0)
    assert not any(m.training for m in module.modules())
    assert all(p.dtype == torch.float32 and p.is_contiguous() for p in module.parameters())


def test_first_step_is_that_of_nesterov_sgd_by_hand(tiny):
    recipe = Recipe("lenet", 1, batch_size=70, peak_lr=0.3, warm_up=0.0, weight_decay=0.01)
    module = prepare(recipe, tiny, 3)
    loss = nn.functional.cross_entropy(module(tiny.train.values()), tiny.train.labels)
    gradients = torch.autograd.grad(loss, list(module.parameters()))
    expected = [
        # A first momentum buffer is the gradient itself, so Nesterov adds 0.9 of it.
        p - 0.3 * 1.9 * (g + 0.01 * p)
        for p, g in zip(module.parameters(), gradients, strict=True)
    ]
    losses = []
    trained = train(recipe, tiny, "cpu", 3, lambda _e, value, _s: losses.append(value))
    assert losses == [pytest.approx(loss.item(), rel=1e-5)]
    for found, wanted in zip(trained.parameters(), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)


def test_the_rate_rises_and_falls_step_by_step(tiny):
    recipe = replace(QUICK, warm_up=0.25, peak_lr=0.4)
    training, rates = Training(recipe, tiny, torch.device("cpu"), 0), []
    while not training.finished:
        training.step()
        rates.append(training._optimizer.param_groups[0]["lr"] / 0.4)
    # Two epochs of four steps, two of which warm up.
    assert rates == pytest.approx([0, 1 / 2, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])


def test_every_epoch_sees_each_row_at_most_once_in_whole_batches(tiny, monkeypatch):
    seen = []

    def noted(x, *_):  # nothing else draws from the numbers that shuffle
        seen.append(x)
        return x

    monkeypatch.setattr(loop, "augment", noted)
    train(replace(QUICK, epochs=2), tiny, "cpu", 0)  # 70 images by 16: four batches and a rest
    assert [len(batch) for batch in seen] == [16] * 8
    epochs = [{x.numpy().tobytes() for x in torch.cat(part)} for part in (seen[:4], seen[4:])]
    assert [len(images) for images in epochs] == [64, 64]
    assert epochs[0] != epochs[1]
    assert not torch.equal(seen[0], seen[4])


class Put:
    """Puts a training down after some steps, and takes it up again from what was kept."""

    def __init__(self, steps, state=None):
        self.left, self.state = steps, state

    def begin(self, training):
        if self.state is not None:
            training.restore(self.state)

    def after_step(self, training):
        self.left -= 1
        if not self.left:
            self.state = copy.deepcopy(training.state())
            raise EOFError


@pytest.mark.parametrize("architecture", ["lenet", "small-resnet"])
@pytest.mark.parametrize("steps", [1, 4, 6])  # within an epoch of four, between two, within
def test_put_down_and_taken_up_it_ends_at_the_same_weights(tiny, architecture, steps):
    recipe = replace(QUICK, architecture=architecture)
    losses, pieces = [], []
    whole = train(recipe, tiny, "cpu", 7, lambda *epoch: losses.append(epoch[:2]))
    put = Put(steps)
    with pytest.raises(EOFError):
        train(recipe, tiny, "cpu", 7, lambda *epoch: pieces.append(epoch[:2]), put)
    torch.manual_seed(99)
    taken_up = Put(100, put.state)
    again = train(recipe, tiny, "cpu", 7, lambda *epoch: pieces.append(epoch[:2]), taken_up)
    assert pieces == losses
    assert content_hash(again) == content_hash(whole)
    assert content_hash(train(recipe, tiny, "cpu", 8)) != content_hash(whole)


@pytest.mark.parametrize("part", ["inputs", "labels", "count"])
def test_other_images_of_the_same_name_make_it_another_training(tiny, part):
    images = tiny.train
    changed = {
        "inputs": Labelled(images.inputs.roll(1, 0), images.labels),
        "labels": Labelled(images.inputs, images.labels.roll(1)),
        "count": Labelled(images.inputs[:60], images.labels[:60]),
    }
    seen = [tiny, replace(tiny, train=changed[part]), replace(tiny, test=changed["count"])]
    purposes = [Training(QUICK, data, torch.device("cpu"), 0).purpose for data in seen]
    assert purposes[0] == purposes[2] != purposes[1]


def test_past_its_end_it_is_finished(tiny):
    training = Training(QUICK, tiny, torch.device("cpu"), 0)
    training.restore(training.state() | {"done": 3 * (70 // 16)})
    assert training.epochs == 3
    assert training.finished


def test_a_data_set_smaller_than_a_batch_is_one_batch(tiny):
    train(replace(QUICK, batch_size=1000, epochs=1), tiny, "cpu", 0)


def test_a_lost_loss_is_loud(tiny):
    with pytest.raises(Unstable, match="peak_lr below"):
        train(replace(QUICK, peak_lr=1e6, epochs=4), tiny, "cpu", 0)


def test_a_crop_too_large_for_the_images_is_refused(tiny):
    with pytest.raises(ConfigError, match="8x8"):
        train(replace(QUICK, crop=8), tiny, "cpu", 0)


def test_moments_are_those_of_the_floats():
    inputs = bright_or_dark(30, 2).inputs
    mean, std = moments(inputs)
    x = as_floats(inputs).double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(mean.double(), x.mean(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(std.double(), x.std(1, unbiased=False), atol=1e-6, rtol=0)
    constant = torch.full((4, 1, 2, 2), 9, dtype=torch.uint8)
    assert moments(constant)[1].item() == pytest.approx(1 / 255)


def test_training_does_not_touch_the_data(tiny):
    before = tiny.train.inputs.clone()
    train(QUICK, tiny, "cpu", 0)
    assert torch.equal(tiny.train.inputs, before)


def test_accuracy_is_the_share_of_right_answers_and_keeps_the_mode():
    class Brightness(nn.Module):
        def forward(self, x):
            assert not self.training
            assert x.max() <= 1
            return torch.stack([-x.mean((1, 2, 3)), x.mean((1, 2, 3)) - 1], 1)

    levels = torch.tensor([0, 255, 255, 0, 255], dtype=torch.uint8)
    labelled = Labelled(
        levels[:, None, None, None].expand(5, 1, 2, 2), torch.tensor([0, 1, 0, 0, 1])
    )
    module = Brightness().train()
    assert accuracy(module, labelled, "cpu", batch_size=2) == 0.8
    assert module.training


@pytest.mark.parametrize("normalise", [True, False])
def test_a_trained_module_answers_the_same_after_saving(tiny, tmp_path, normalise):
    recipe = replace(QUICK, architecture="small-resnet", normalise=normalise)
    module = train(recipe, tiny, "cpu", 5)
    card = Card(
        architecture=recipe.architecture, spec=tiny.spec, classes=3, normalised=normalise
    ).model_copy(update={"recipe": asdict(recipe)})
    save_model(tmp_path / "victim", module, card)
    loaded, read = load_model(tmp_path / "victim")
    assert read_settings(Recipe, read.recipe) == recipe
    x = tiny.test.values()
    assert torch.equal(loaded(x), module(x))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bf16-mixed"])
def test_learns_digits_on_a_gpu_and_waits_for_it_once_an_epoch(digits, precision):
    recipe = Recipe("small-resnet", epochs=10, batch_size=64, peak_lr=0.2, precision=precision)

    def listen(epoch, loss, seconds):
        # From the second epoch on: the first one allocates and chooses algorithms.
        torch.cuda.set_sync_debug_mode("default" if epoch == recipe.epochs else "warn")

    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter("always")
        module = train(recipe, digits, "cuda", 0, listen)
    # Of 21 steps an epoch, none waits; the mean loss does, and perhaps the new order.
    assert 0 < len(waits) <= 3 * recipe.epochs
    assert accuracy(module, digits.test, "cuda") > 0.97
