"""Train a victim: one loop over data that lie on the device as bytes.

Nothing here waits for the device within an epoch, and nothing looks at test data: the model
returned is the last one, never the best.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from copycost.engine import arranged
from copycost.errors import ConfigError, Unstable
from copycost.nets import ARCHITECTURES
from copycost.nets.normalised import Normalised
from copycost.nets.seeded import build
from copycost.training.augment import augment
from copycost.training.recipe import Recipe
from copycost.training.schedule import SCHEDULES
from copycost.types import InputSpec

if TYPE_CHECKING:
    from copycost.datasets.base import Dataset, Labelled

OnEpoch = Callable[[int, float, float], None]
"""Called after each epoch with its number from 1, its mean loss and its seconds."""


def train(
    recipe: Recipe,
    dataset: Dataset,
    device: torch.device | str,
    seed: int,
    on_epoch: OnEpoch | None = None,
) -> nn.Module:
    """Train `recipe` on the data set's training split; return the last model, in eval mode.

    The module maps inputs [N, *shape] in [0, 1] to logits [N, K] and stays on `device`. On
    the CPU a seed gives the same weights every time for the same number of threads. Raises
    `ConfigError` where the recipe does not suit the data, `Unstable` where the loss is lost.
    """
    _check(recipe, dataset.spec)
    device = torch.device(device)
    images, labels = dataset.train.inputs.to(device), dataset.train.labels.to(device)
    # A third to a half faster than plain strides, on the CPU too, measured.
    module = arranged(prepare(recipe, dataset, seed).to(device)).train()
    # The compiled module shares its weights with the plain one, which is what is returned.
    forward = torch.compile(module) if recipe.compiled else module
    optimizer = _optimizer(recipe, module)
    chance = torch.Generator(device).manual_seed(seed)
    size = min(recipe.batch_size, len(images))
    steps, done = len(images) // size, 0  # what is left over of a shuffled epoch is left out

    for epoch in range(1, recipe.epochs + 1):
        began, total = time.perf_counter(), torch.zeros((), device=device)
        for rows in _batches(len(images), size, chance):
            _set_lr(recipe, optimizer, done / (steps * recipe.epochs))
            x = as_floats(augment(images[rows], recipe.crop, recipe.flip, chance))
            loss = _loss(recipe, forward, x, labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
            done += 1
        mean = float(total / steps)  # the epoch's one wait for the device
        _refuse_lost(mean, epoch, recipe)
        if on_epoch is not None:
            on_epoch(epoch, mean, time.perf_counter() - began)
    # As it will be when it is loaded again, so that both give the same answers to the bit.
    return arranged(module, torch.contiguous_format).eval()


def accuracy(
    module: nn.Module, labelled: Labelled, device: torch.device | str, batch_size: int = 1000
) -> float:
    """Share in [0, 1] of `labelled` that `module` gets right, in evaluation mode.

    The module is moved to `device` and left in the mode it was in.
    """
    device, was_training = torch.device(device), module.training
    module.to(device).eval()
    right = torch.zeros((), dtype=torch.int64, device=device)
    with torch.inference_mode():
        for start in range(0, len(labelled), batch_size):
            rows = slice(start, start + batch_size)
            found = module(labelled.floats(rows, device)).argmax(1)
            right += (found == labelled.labels[rows].to(device)).sum()
    module.train(was_training)
    return int(right) / len(labelled)


def prepare(recipe: Recipe, dataset: Dataset, seed: int) -> nn.Module:
    """Build the recipe's net on the CPU, untrained, normalising where the recipe says so."""
    builder = ARCHITECTURES[recipe.architecture]
    module = build(builder, dataset.spec, dataset.classes, seed)
    return Normalised(module, *moments(dataset.train.inputs)) if recipe.normalise else module


def moments(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation by channel, each [C], of bytes [N, C, H, W] taken as [0, 1].

    From a count of the 256 values: exact, and without a copy of the data in floats. A channel
    that never changes gets the std of one step, 1/255, for it is divided by.
    """
    values = torch.arange(256, dtype=torch.float64, device=inputs.device) / 255
    counts = torch.stack(
        [torch.bincount(inputs[:, c].flatten(), minlength=256) for c in range(inputs.shape[1])]
    )
    shares = counts.double() / counts.sum(1, keepdim=True)  # [C, 256]
    mean = shares @ values
    variance = (shares * (values - mean[:, None]).square()).sum(1)
    return mean.float(), variance.sqrt().clamp_min(1 / 255).float()


def as_floats(inputs: Tensor) -> Tensor:
    """Map bytes of any shape to float32 in [0, 1]."""
    return inputs.to(torch.float32).div_(255)


def _check(recipe: Recipe, spec: InputSpec) -> None:
    _, height, width = spec.shape
    if recipe.crop and recipe.crop >= min(height, width):
        raise ConfigError(
            [f"crop must be below both sides of {height}x{width} images, got {recipe.crop}."]
        )


def _optimizer(recipe: Recipe, module: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(
        module.parameters(),
        lr=recipe.peak_lr,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
    )


def _set_lr(recipe: Recipe, optimizer: torch.optim.SGD, t: float) -> None:
    share = SCHEDULES[recipe.schedule](t, recipe.warm_up)
    for group in optimizer.param_groups:
        group["lr"] = recipe.peak_lr * share


def _loss(recipe: Recipe, forward: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    with torch.autocast(x.device.type, torch.bfloat16, recipe.precision == "bf16-mixed"):
        return cross_entropy(forward(x), y, label_smoothing=recipe.label_smoothing)


def _batches(count: int, size: int, chance: torch.Generator) -> Iterator[Tensor]:
    """Row numbers [`size`] of each whole batch of one epoch, in random order."""
    order = torch.randperm(count, generator=chance, device=chance.device)
    for start in range(0, count - count % size, size):
        yield order[start : start + size]


def _refuse_lost(loss: float, epoch: int, recipe: Recipe) -> None:
    if not abs(loss) < float("inf"):
        raise Unstable(
            f"The loss became {loss} in epoch {epoch} of {recipe.architecture}. Train with a "
            f"peak_lr below {recipe.peak_lr:g} or a longer warm-up than {recipe.warm_up:g}."
        )
