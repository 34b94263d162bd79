"""Which data a reproduction uses, where it lies, and what it is called if it is not the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from copycost.datasets import load
from copycost.errors import DataError
from copycost.presets.study import Scale, Values, varied
from copycost.presets.victims import VICTIMS
from copycost.runner.config import RunConfig

HOUSE_NUMBERS = "house-numbers-resnet34"
"""The victim that stands in for SVHN's where SVHN is not available."""
JPEG_COPY = "cifar10-jpeg"
"""Folder of a well-known JPEG copy of CIFAR-10, whose pixels are not the official ones."""

_OFFICIAL = {"cifar10": ("cifar-10-*", "*_batch*"), "svhn": ("*_32x32.mat",)}
"""Names of the official files, as patterns, by data set that the user must obtain."""
_ELSE = {
    "cifar10": f"Or put its JPEG copy into a folder {JPEG_COPY} (train.parquet, test.parquet) of "
    "the folder that --data names.",
    "svhn": "Or take --house-numbers, which puts the synthetic house numbers in SVHN's place.",
}
"""Advice in addition to the loader's."""
_CALLED = {
    "digits": "scikit-learn's digits",
    "house-numbers": "synthetic house numbers",
    "house-numbers-16": "synthetic house numbers of 16×16",
}


class Extent(NamedTuple):
    """The size of a data set, known without loading it."""

    shape: tuple[int, int, int]
    """(C, H, W) of an image."""
    train: int
    test: int


EXTENTS = {
    "digits": Extent((1, 8, 8), 1_352, 445),
    "house-numbers-16": Extent((3, 16, 16), 8_000, 2_000),
    "house-numbers": Extent((3, 32, 32), 20_000, 4_000),
    "cifar10": Extent((3, 32, 32), 50_000, 10_000),
    "svhn": Extent((3, 32, 32), 73_257, 26_032),
}
"""Sizes of the data sets that the scales' victims are trained on."""


def sourced(scale: Scale, folder: Path | None, *, house_numbers: bool = False) -> Scale:
    """`scale` with its data taken from `folder`; None stands for the loaders' usual places.

    No data is read yet. `folder` is kept as given, as the reference is part of a run's identity.
    """
    svhn = scale.svhn
    if house_numbers and dataset_of(svhn["victim"]) == "svhn":
        svhn = varied(svhn, victim=HOUSE_NUMBERS)
    if folder is None:
        return replace(scale, svhn=svhn)
    return replace(scale, cifar10=_from(folder, scale.cifar10), svhn=_from(folder, svhn))


def idle(scale: Scale, folder: Path | None, *, house_numbers: bool = False) -> list[str]:
    """Error messages for options about data that change nothing at this scale."""
    used = {dataset_of(base["victim"]) for base in (scale.cifar10, scale.svhn)}
    taken = {
        "--data": (folder is not None, _OFFICIAL.keys()),
        "--house-numbers": (house_numbers, {"svhn"}),
    }
    return [
        f"{option}: it changes nothing at {scale.name} scale, whose data is made here or comes "
        "with a package. Leave it out, or take --scale full."
        for option, (given, concerned) in taken.items()
        if given and not used & concerned
    ]


def dataset_of(victim: str) -> str:
    """Name of the data set that the victim of this name is trained on."""
    return VICTIMS[victim].dataset


def check_data(runs: Iterable[RunConfig]) -> None:
    """Load the external data that `runs` need; one `DataError` reports all problems."""
    needed = dict.fromkeys((dataset_of(run.victim), run.data) for run in runs)
    problems = []
    for name, reference in needed:
        if name in _OFFICIAL:
            try:
                _check(name, reference or name)
            except DataError as error:
                problems.append(f"{error}. {_else(name, reference or name)}".rstrip())
    if problems:
        raise DataError("\n".join(problems))


def stand_ins(scale: Scale, runs: Sequence[RunConfig]) -> dict[str, str]:
    """By the paper's data set, a label for the data that `runs` use in its place."""
    bases = {"CIFAR-10": scale.cifar10, "SVHN": scale.svhn}
    victims = {run.victim for run in runs}
    found = {name: _called(base) for name, base in bases.items() if base["victim"] in victims}
    return {name: f"{what} in {name}'s place" for name, what in found.items() if what}


def _from(folder: Path, base: Values) -> Values:
    name = dataset_of(base["victim"])
    return varied(base, data=_reference(name, folder)) if name in _OFFICIAL else base


def _reference(name: str, folder: Path) -> str:
    """A reference to the official files if any of them exists, so that a broken set is reported."""
    for place in (folder / name, folder):
        if _has_official(name, place):
            return f"{name}:{place}"
    for place in (folder / JPEG_COPY, folder):
        if name == "cifar10" and place.name == JPEG_COPY and place.is_dir():
            return f"parquet:{place}"
    return f"{name}:{folder}"


def _has_official(name: str, place: Path) -> bool:
    """Whether `place` holds any official file, broken or not."""
    return any(any(place.glob(pattern)) for pattern in _OFFICIAL[name])


def _else(name: str, reference: str) -> str:
    """Further advice; '' if the JPEG copy is broken itself, or broken official files precede it."""
    kind, _, place = reference.partition(":")
    broken = kind == "parquet" or (place != "" and _has_official(name, Path(place)))
    return "" if name == "cifar10" and broken else _ELSE[name]


def _check(name: str, reference: str) -> None:
    found, extent = load(reference), EXTENTS[name]
    came = Extent(tuple(found.spec.shape), len(found.train), len(found.test))  # type: ignore[arg-type]
    if came != extent or found.classes != 10:
        raise DataError(
            f"{reference}: expected {_words(extent)} of 10 classes, got {_words(came)} of "
            f"{found.classes}; get the files afresh"
        )


def _words(extent: Extent) -> str:
    size = "×".join(map(str, extent.shape))
    return f"{extent.train:,} + {extent.test:,} images of {size}"


def _called(base: Values) -> str:
    """A label for the data of `base`; '' for the paper's own data."""
    if str(base.get("data") or "").startswith("parquet:"):
        return "CIFAR-10 (JPEG q75)"
    return _CALLED.get(dataset_of(base["victim"]), "")
