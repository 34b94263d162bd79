"""Train a victim, on data that is kept on the device as bytes.

Nothing here waits for the device within an epoch, and training never uses test data: the model
returned is the last one, not the best.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from copycost.engine import arranged, restore_optimizer
from copycost.errors import ConfigError, Unstable
from copycost.hashes import hash_of
from copycost.nets import ARCHITECTURES
from copycost.nets.modes import evaluated
from copycost.nets.normalised import Normalised
from copycost.nets.seeded import build
from copycost.noise import restore_stream
from copycost.training.augment import augment
from copycost.training.recipe import Recipe
from copycost.types import InputSpec

if TYPE_CHECKING:
    from copycost.datasets.base import Dataset, Labelled

OnEpoch = Callable[[int, float, float], None]
"""Called after each epoch with its number from 1, its mean loss and its seconds."""


class Keeper(Protocol):
    """Saves a training, so that it can be stopped and resumed later."""

    def begin(self, training: Training) -> None:
        """Restore the training from what was saved of it, if anything."""

    def after_step(self, training: Training) -> None:
        """Save the training if it is time to; raise to stop it."""


def train(
    recipe: Recipe,
    dataset: Dataset,
    device: torch.device | str,
    seed: int,
    on_epoch: OnEpoch | None = None,
    keeper: Keeper | None = None,
) -> nn.Module:
    """Train `recipe` on the data set's training split; return the last model, in eval mode.

    The module maps inputs [N, *shape] in [0, 1] to logits [N, K] and stays on `device`. On
    the CPU a seed gives the same weights every time for the same number of threads, however
    often `keeper` stopped it. Raises `ConfigError` if the recipe does not suit the data,
    `Unstable` if an epoch's mean loss is NaN or infinite.
    """
    training = Training(recipe, dataset, torch.device(device), seed)
    if keeper is not None:
        keeper.begin(training)
    began = time.perf_counter()
    while not training.finished:
        training.step()
        if training.between_epochs:
            mean = training.mean_loss()
            _refuse_lost(mean, training.epochs, recipe)
            if on_epoch is not None:
                on_epoch(training.epochs, mean, time.perf_counter() - began)
            began = time.perf_counter()
        if keeper is not None:
            keeper.after_step(training)
    # In the memory layout of a loaded model, so that both give the same answers to the bit.
    return arranged(training.module, torch.contiguous_format).eval()


class Training:
    """A training that goes step by step; its `state` holds all that is needed to resume it."""

    def __init__(self, recipe: Recipe, dataset: Dataset, device: torch.device, seed: int) -> None:
        """Prepare the first step; raises `ConfigError` if the recipe does not suit the data."""
        _check(recipe, dataset.spec)
        self._recipe = recipe
        self.purpose = _purpose(recipe, dataset, seed)
        """What distinguishes this training from others."""
        self._images = dataset.train.inputs.to(device)
        self._labels = dataset.train.labels.to(device)
        # Measured to be a third to a half faster than contiguous weights, on the CPU too.
        self.module = arranged(prepare(recipe, dataset, seed).to(device)).train()
        self._optimizer = _optimizer(recipe, self.module)
        self._chance = torch.Generator(device).manual_seed(seed)
        self._size = min(recipe.batch_size, len(self._images))
        # The last, incomplete batch of an epoch is left out.
        self._steps = len(self._images) // self._size
        self._done = 0
        self._order = torch.empty(0, dtype=torch.int64, device=device)
        self._total = torch.zeros((), device=device)

    @property
    def epochs(self) -> int:
        """How many epochs are finished."""
        return self._done // self._steps

    @property
    def between_epochs(self) -> bool:
        """Whether an epoch has just been finished."""
        return self._done % self._steps == 0

    @property
    def finished(self) -> bool:
        """Whether all epochs are finished."""
        return self.epochs >= self._recipe.epochs

    def mean_loss(self) -> float:
        """The mean loss of the epoch just finished; the only wait for the device in an epoch."""
        return float(self._total / self._steps)

    def step(self) -> None:
        """Take one optimiser step on the next batch."""
        recipe, at = self._recipe, self._done % self._steps
        if at == 0:
            images, chance = len(self._images), self._chance
            self._order = torch.randperm(images, generator=chance, device=chance.device)
            self._total.zero_()
        rows = self._order[at * self._size : (at + 1) * self._size]
        _set_lr(recipe, self._optimizer, self._done / (self._steps * recipe.epochs))
        x = as_floats(augment(self._images[rows], recipe.crop, recipe.flip, self._chance))
        loss = _loss(recipe, self.module, x, self._labels[rows])
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._total += loss.detach()
        self._done += 1

    def state(self) -> dict[str, Any]:
        """All that is needed to go on bit for bit."""
        return {
            "module": self.module.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "chance": self._chance.get_state(),
            "order": self._order,
            "total": self._total,
            "done": self._done,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Load a saved `state`."""
        self.module.load_state_dict(state["module"])
        restore_optimizer(self._optimizer, state["optimizer"])
        restore_stream(self._chance, state["chance"])
        self._order = state["order"].to(self._order.device)
        self._total = state["total"].to(self._total.device)
        self._done = state["done"]


def accuracy(
    module: nn.Module, labelled: Labelled, device: torch.device | str, batch_size: int = 1000
) -> float:
    """Share in [0, 1] of `labelled` that `module`, in evaluation mode, gets right.

    The module is moved to `device` and left in the mode it was in.
    """
    device = torch.device(device)
    module.to(device)  # outside of inference mode, where moved weights could not be trained again
    right = torch.zeros((), dtype=torch.int64, device=device)
    with evaluated(module), torch.inference_mode():
        for start in range(0, len(labelled), batch_size):
            rows = slice(start, start + batch_size)
            found = module(labelled.values(rows, device)).argmax(1)
            right += (found == labelled.labels[rows].to(device)).sum()
    return int(right) / len(labelled)


def prepare(recipe: Recipe, dataset: Dataset, seed: int) -> nn.Module:
    """Build the recipe's untrained net on the CPU, with normalisation if the recipe says so."""
    builder = ARCHITECTURES[recipe.architecture]
    module = build(builder, dataset.spec, dataset.classes, seed)
    return Normalised(module, *moments(dataset.train.inputs)) if recipe.normalise else module


def moments(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel, each [C], of bytes [N, C, H, W] scaled to [0, 1].

    They come from a count of the 256 values: exact, and without a copy of the data in floats. A
    constant channel gets a std of one level, 1/255, as inputs are divided by it.
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


def _purpose(recipe: Recipe, dataset: Dataset, seed: int) -> dict[str, Any]:
    images = dataset.train
    return {
        "recipe": asdict(recipe),
        "data": dataset.provenance,
        "images": len(images),
        # The provenance of a file or folder does not change with its content.
        "content": hash_of(images.inputs, images.labels),
        "seed": seed,
    }


def _check(recipe: Recipe, spec: InputSpec) -> None:
    _, height, width = spec.shape
    if recipe.crop and recipe.crop >= min(height, width):
        raise ConfigError(
            f"crop must be below both sides of {height}x{width} images, got {recipe.crop}."
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
    share = one_cycle(t, recipe.warm_up)
    for group in optimizer.param_groups:
        group["lr"] = recipe.peak_lr * share


def one_cycle(t: float, warm_up: float) -> float:
    """Learning rate as a share of its peak, by the share `t` in [0, 1] of training that is done.

    Linear rise until `warm_up`, then linear fall to 0 at t = 1: the triangle of Smith & Topin,
    Super-Convergence (arXiv:1708.07120), without its last phase.
    """
    return t / warm_up if t < warm_up else (1 - t) / (1 - warm_up)


def _loss(recipe: Recipe, module: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    with torch.autocast(x.device.type, torch.bfloat16, recipe.precision == "bf16-mixed"):
        return cross_entropy(module(x), y, label_smoothing=recipe.label_smoothing)


def _refuse_lost(loss: float, epoch: int, recipe: Recipe) -> None:
    if not abs(loss) < float("inf"):
        raise Unstable(
            f"The loss became {loss} in epoch {epoch} of {recipe.architecture}. Train with a "
            f"peak_lr below {recipe.peak_lr:g} or a longer warm-up than {recipe.warm_up:g}."
        )
