"""Pairs of white-box networks, on which the quality of a gradient estimate can be measured.

An attack cannot differentiate the victim. Here both networks can be differentiated: a stand-in
for the victim, and a student trained for a shorter time, so that the two differ as in the middle
of an attack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from copycost.datasets import load
from copycost.datasets.base import Dataset, Labelled
from copycost.datasets.house_numbers import house_numbers
from copycost.engine import arranged
from copycost.losses import l1
from copycost.nets import GENERATORS
from copycost.nets.generator import squash
from copycost.nets.seeded import derive, seeded
from copycost.noise import Noise
from copycost.oracle.access import release
from copycost.oracle.rehearsal import Network
from copycost.recovery import recover_logits
from copycost.training.recipe import Recipe
from copycost.training.train import accuracy, train
from copycost.types import Access, InputSpec

LATENT, WIDTH = 256, 64


@dataclass(frozen=True)
class Pair:
    """The two networks to train, and their data."""

    name: str
    data: Callable[[], Dataset]
    """Loads or draws the images, the same for every seed."""
    victim: Recipe
    student: Recipe
    seeds: int = 1
    """Number of seeds to train and measure the pair with; more where that is cheap."""


def enlarged_digits() -> Dataset:
    """Digits at 32×32 in three equal channels: the same task and images with 48 times the values.

    They isolate, as far as possible, the effect of the number of values on the step.
    """
    small = load("digits")
    return Dataset(
        name="digits-enlarged",
        provenance="scikit-learn digits, enlarged to 3×32×32",
        class_names=small.class_names,
        train=_enlarged(small.train),
        test=_enlarged(small.test),
    )


def _enlarged(part: Labelled) -> Labelled:
    big = interpolate(part.inputs.float(), size=(32, 32), mode="bilinear").round()
    return Labelled(big.to(torch.uint8).expand(-1, 3, -1, -1).contiguous(), part.labels)


def _pair(
    name: str,
    data: Callable[[], Dataset],
    nets: tuple[str, str],
    epochs: tuple[int, int],
    seeds: int = 1,
) -> Pair:
    """Make a pair; `nets` and `epochs` give the victim's value first, then the student's."""
    victim, student = (
        Recipe(architecture=net, epochs=n, batch_size=64, peak_lr=0.1)
        for net, n in zip(nets, epochs, strict=True)
    )
    return Pair(name, data, victim, student, seeds)


_GAP_CNNS = ("gap-cnn", "gap-cnn")
_SMALL_RESNETS = ("small-resnet", "small-resnet")
_RESNETS = ("resnet34-8x", "resnet18-8x")
PAIRS: dict[str, tuple[Pair, ...]] = {
    "small": (
        _pair("digits", lambda: load("digits"), _GAP_CNNS, (20, 2), seeds=3),
        _pair("digits-enlarged", enlarged_digits, _GAP_CNNS, (20, 2), seeds=3),
        _pair("house-numbers", lambda: house_numbers(6_000, 500), _SMALL_RESNETS, (8, 4), seeds=3),
    ),
    "resnet": (_pair("resnets", lambda: house_numbers(20_000, 2_000), _RESNETS, (10, 3)),),
}
"""By size of the networks. They train briefly, as the study is of arithmetic, not of accuracy."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained pair, ready to be measured."""

    pair: Pair
    seed: int
    dataset: Dataset
    student: nn.Module
    stand_in: nn.Module
    device: torch.device

    def accuracies(self) -> tuple[float, float]:
        """Shares of held-out images that the student and the stand-in get right."""
        test = self.dataset.test
        return accuracy(self.student, test, self.device), accuracy(self.stand_in, test, self.device)

    def points(self, n: int) -> Tensor:
        """`n` inputs [n, *shape] before the squash, as a fresh generator of DFME makes them."""
        spec, random = self.dataset.spec, Noise(derive(self.seed, "points"), self.device)
        with seeded(derive(self.seed, "generator")):
            generator = GENERATORS["dfme"](spec, LATENT, WIDTH).to(self.device)
        with torch.no_grad():
            x: Tensor = generator(random.normal(n, LATENT)).float()
            return x

    def gap(self, student: Network, stand_in: Network) -> Network:
        """DFME's gap [N] at points [N, *shape] before the squash, at probability access."""
        return lambda p: gap(student, stand_in, p, self.dataset.spec, self.dataset.classes)


def gap(student: Network, stand_in: Network, p: Tensor, spec: InputSpec, classes: int) -> Tensor:
    """L1 between student's and recovered logits [N], computed as an attack computes it."""
    images = squash(p, spec)
    answer = release(stand_in(images).float(), Access.LOGITS, Access.PROBABILITIES, classes)
    return l1(student(images).float(), recover_logits(answer, classes))


def trained(pair: Pair, seed: int, device: torch.device) -> Trained:
    """Train both networks of `pair`; the result depends on `seed` alone."""
    dataset = pair.data()
    nets = [
        _frozen(train(recipe, dataset, device, derive(seed, f"precision {role}")))
        for role, recipe in (("student", pair.student), ("victim", pair.victim))
    ]
    return Trained(pair, seed, dataset, nets[0], nets[1], device)


def _frozen(module: nn.Module) -> nn.Module:
    # With channels last, low precision is several times faster, on a CPU and on a GPU.
    return arranged(module).requires_grad_(False)
