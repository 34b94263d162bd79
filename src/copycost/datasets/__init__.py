"""Data sets by name, to train victims on and to judge students by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from copycost.errors import ConfigError, check_kind
from copycost.registry import Entry, Registry

if TYPE_CHECKING:
    from copycost.datasets.base import Dataset

__all__ = ["DATASETS", "Loader", "load"]

Loader: TypeAlias = "Callable[[Path | None], Dataset]"
"""Reads a data set from a path; None means its usual place."""

DATASETS: Registry[Loader] = Registry(
    "data set",
    {
        "digits": Entry(
            "copycost.datasets.digits:load_digits",
            "scikit-learn's handwritten digits, 8×8 grey, 1,797 images, nothing to download",
        ),
        "house-numbers": Entry(
            "copycost.datasets.house_numbers:load_house_numbers",
            "synthetic coloured house numbers, 32×32, rendered here, nothing to download",
        ),
        "house-numbers-16": Entry(
            "copycost.datasets.house_numbers:load_small_house_numbers",
            "fewer synthetic house numbers, halved to 16×16, for a CPU",
        ),
        "cifar10": Entry(
            "copycost.datasets.cifar10:load_cifar10",
            "CIFAR-10, the official archives; `copycost data fetch cifar10`",
        ),
        "svhn": Entry(
            "copycost.datasets.svhn:load_svhn",
            "SVHN, the official 32×32 .mat files; `copycost data fetch svhn`",
        ),
        "fashion-mnist": Entry(
            "copycost.datasets.fashion_mnist:load_fashion_mnist",
            "Fashion-MNIST, the official IDX files; `copycost data fetch fashion-mnist`",
        ),
        "fashion-mnist-16": Entry(
            "copycost.datasets.fashion_mnist:load_small_fashion_mnist",
            "a part of Fashion-MNIST, 12,000 + 2,000 images, padded and halved to 16×16, for a CPU",
        ),
        "cifar10-16": Entry(
            "copycost.datasets.small_cifar10:load_small_cifar10",
            "CIFAR-10, official or a Parquet copy, halved to 16×16, for a CPU",
        ),
        "parquet": Entry(
            "copycost.datasets.parquet:load_parquet",
            "parquet:FOLDER with train.parquet and test.parquet holding image bytes and labels",
        ),
        "folder": Entry(
            "copycost.datasets.folder:load_folder",
            "folder:FOLDER with train/CLASS/ and test/CLASS/ full of images of one size",
        ),
        "npz": Entry(
            "copycost.datasets.npz:load_npz",
            "npz:FILE, of NumPy, with the arrays x_train, y_train, x_test, y_test",
        ),
    },
)

# Only these may be given a label: the provenance of the others is known, and a figure's caption
# must not be able to call synthetic images by the name of a real data set.
_NAMELESS = ("parquet", "folder", "npz")


def load(reference: str) -> Dataset:
    """Load `NAME` or `NAME:PATH`, such as `digits` or `cifar10:/data/cifar-10-python.tar.gz`.

    `parquet`, `folder` and `npz` also take `NAME:PATH#LABEL`, where LABEL replaces the
    provenance that figures print, as in `parquet:/data/cats#Cats (PNG)`.

    Raises:
        ConfigError: the name is unknown, or lacks a path, or takes none, or the path begins
            with an unknown home folder.
        SpecMismatch: `reference` is not text.
        DataError: the files are missing, damaged or of another format.
    """
    check_kind(reference, str, "a data set as text", "write 'NAME' or 'NAME:PATH'")
    name, colon, place = reference.partition(":")
    if colon and not place:
        raise ConfigError(
            f"The data set {reference!r} has no path after the colon. Write NAME:PATH."
        )
    place, label = _split_label(place) if name in _NAMELESS else (place, "")
    dataset = DATASETS[name](_path(place) if place else None)
    # A label leaves the images what they are: without a label they have the same origin.
    return replace(dataset, provenance=label, collection=dataset.origin) if label else dataset


def _path(place: str) -> Path:
    """`place` with `~` or `~NAME` expanded; `ConfigError` if there is no such home folder."""
    try:
        return Path(place).expanduser()
    except RuntimeError:
        home = place.partition("/")[0]
        problem = f"The path {place!r} begins with {home}, but no such home folder is known here"
        raise ConfigError(f"{problem}: write the path out in full.") from None


def _split_label(place: str) -> tuple[str, str]:
    # A path may hold a '#' of its own; one that exists is taken as it is.
    if _path(place).exists():
        return place, ""
    path, _, label = place.partition("#")
    return path, label.strip()
