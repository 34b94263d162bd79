"""A student that cannot take the victim's inputs is refused before anything is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from copycost.datasets.base import Labelled
from copycost.errors import SpecMismatch
from copycost.runner.copy_model import copy_model
from copycost.runner.target import Target
from copycost.runner.trying import check_student, two_inputs
from copycost.testing import TINY, SpyVictim, TinyNet
from copycost.types import InputSpec, Modality
from copycost.victims.module import ModuleVictim
from tests.runner.conftest import tiny_config

CPU = torch.device("cpu")
TINIEST = InputSpec((1, 1, 1))
NOISE = {
    "attack": "random-noise",
    "settings": {"batch_size": 32, "student_steps": 1},
    "budget": 640,
}


class Tupled(nn.Flatten):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x), None


def made_for_8x8(spec: InputSpec, classes: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, classes))


def normed_by_place(spec: InputSpec, classes: int) -> nn.Module:
    """It fails on a single pixel, and in training mode only."""
    norm = nn.InstanceNorm2d(1, track_running_stats=True)
    return nn.Sequential(norm, nn.Flatten(), nn.Linear(spec.size, classes))


def of_too_few_classes(spec: InputSpec, classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(spec.size, classes - 1))


def not_finite(spec: InputSpec, classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(spec.size, classes), nn.Threshold(9e9, torch.nan))


def with_more_beside(spec: InputSpec, classes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(spec.shape[-1], classes), Tupled())


def not_returned(spec: InputSpec, classes: int) -> None:
    nn.Linear(spec.size, classes)


def not_built(spec: InputSpec, classes: int) -> nn.Module:
    raise RuntimeError("no weights")


def by_chance(spec: InputSpec, classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(spec.size, classes))


def of_tokens(spec: InputSpec, classes: int) -> nn.Module:
    return nn.Sequential(nn.Embedding(3, classes), nn.Flatten(), nn.LazyLinear(classes))


def of_numbers(spec: InputSpec, classes: int) -> nn.Module:
    return nn.Linear(spec.size, classes)


def target_of(spec: InputSpec) -> tuple[SpyVictim, Target]:
    spy = SpyVictim(ModuleVictim(TinyNet(spec), spec, 4))
    images = torch.arange(9 * spec.size, dtype=torch.uint8).view(9, *spec.shape)
    return spy, Target(spy, Labelled(images, torch.arange(9) % 4), "own")


@pytest.mark.parametrize(
    ("student", "spec", "message"),
    [
        (made_for_8x8, TINIEST, "in evaluation mode, got RuntimeError: Calculated padded"),
        (made_for_8x8, InputSpec((1, 9, 12)), "in evaluation mode, got RuntimeError: mat1"),
        (normed_by_place, TINIEST, "in training mode, got ValueError: Expected more than 1"),
        (
            of_too_few_classes,
            TINY,
            r"logits \[2, 4\] from.*got a tensor \[2, 3\]; for inputs \[2, ",
        ),
        (not_finite, TINY, "got NaN or infinity"),
        (with_more_beside, TINY, "got a tuple"),
        (
            not_returned,
            TINY,
            r"torch.nn.Module from.*got a NoneType; mend its builder",
        ),
        (not_built, TINY, "got RuntimeError: no weights; mend its builder"),
    ],
)
def test_a_student_that_does_not_fit_costs_nothing(
    tmp_path: Path, student: Any, spec: InputSpec, message: str
) -> None:
    spy, target = target_of(spec)
    own = f"{__name__}:{student.__name__}"
    with pytest.raises(SpecMismatch, match=message) as raised:
        copy_model(tiny_config(**NOISE, student=own), target, tmp_path)
    assert "\n" not in str(raised.value)
    assert spy.count == 0


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 1, 1), (1, 2, 2), (1, 3, 3), (1, 1, 9), (2, 9, 1)]
)
@pytest.mark.parametrize("student", ["gap-cnn", "small-resnet", "resnet20", "wrn-22-2"])
def test_students_of_copycost_take_the_smallest_images(
    student: str, shape: tuple[int, ...]
) -> None:
    check_student(tiny_config(student=student), InputSpec(shape), 4, CPU)


@pytest.mark.parametrize("attack", ["frugal", "random-noise"])
def test_a_model_of_single_grey_values_can_be_copied(tmp_path: Path, attack: str) -> None:
    settings = {"batch_size": 32, "student_steps": 2}
    _, target = target_of(TINIEST)
    config = tiny_config(attack=attack, settings=settings, student="gap-cnn", budget=640)
    assert copy_model(config, target, tmp_path).spent == 640


def test_trying_a_student_leaves_chance_as_it_was() -> None:
    own = f"{__name__}:{by_chance.__name__}"
    before = torch.get_rng_state()
    check_student(tiny_config(student=own), TINY, 4, CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_student_of_tokens_is_tried_with_tokens() -> None:
    own, spec = (
        f"{__name__}:{of_tokens.__name__}",
        InputSpec((5,), modality=Modality.TEXT, vocabulary=3),
    )
    check_student(tiny_config(student=own), spec, 4, CPU)


@pytest.mark.parametrize("shape", [(1,), (5,), (40,), (2, 3)])
@pytest.mark.parametrize("vocabulary", [2, 5, 30_000])
def test_two_inputs_of_tokens_differ_and_have_the_first_and_the_last(
    shape: tuple[int, ...], vocabulary: int
) -> None:
    spec = InputSpec(shape, modality=Modality.TEXT, vocabulary=vocabulary)
    x = two_inputs(spec)
    spec.check_shape(x)
    spec.check_range(x)
    assert (int(x.min()), int(x.max())) == (0, vocabulary - 1)
    assert not torch.equal(x[0], x[1])


def test_a_student_that_lacks_the_last_tokens_or_takes_numbers_is_refused() -> None:
    spec = InputSpec((5,), modality=Modality.TEXT, vocabulary=100)
    for own, found in ((of_tokens, "IndexError: "), (of_numbers, "RuntimeError: ")):
        config = tiny_config(student=f"{__name__}:{own.__name__}")
        with pytest.raises(SpecMismatch, match=rf"got {found}.*; for tokens, int64, \[2, 5\], and"):
            check_student(config, spec, 4, CPU)
