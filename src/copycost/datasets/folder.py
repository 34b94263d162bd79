"""A user's own data set as folders of images, one folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from copycost.datasets.base import Dataset, Undecoded
from copycost.datasets.images import undecoded
from copycost.datasets.sources import bad_data, given_path, require_files
from copycost.files import own_name

_PARTS = ("train", "test")


def load_folder(path: Path | None) -> Dataset:
    """Images `train/CLASS/*` and `test/CLASS/*` under `path`; classes sorted by name.

    All images have one size; [N, 1, H, W] if the first is grey, else [N, 3, H, W]. Files
    whose name starts with a dot are skipped; any other must be an image. The provenance
    is the folder's name. Training images are decoded when they are first looked at.

    Raises:
        ConfigError: no path was given.
        DataError: a part is missing, a class is only in `test`, or an image is damaged or of
            another size than the first; for training images after the first, when they are
            looked at.
    """
    path = given_path("folder", path, "a folder with train/CLASS/ and test/CLASS/ in it")
    missing = (f"{part}/" for part in _PARTS if not (path / part).is_dir())
    require_files(path, missing, "put the images in train/CLASS/ and test/CLASS/")
    classes = _classes(path / "train")
    unknown = sorted(set(_classes(path / "test")) - set(classes))
    if unknown:
        came = f"{', '.join(unknown)}, which train/ does not have"
        raise bad_data(path / "test", "the classes of train/", came, "move or rename them")
    train, test = (_read(path / part, classes) for part in _PARTS)
    name = own_name(path)
    return Dataset(name, name, tuple(classes), train, test.decoded())


def _classes(part: Path) -> list[str]:
    names = sorted(p.name for p in part.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not names:
        raise bad_data(part, "a folder for each class", "none", "make one folder a class")
    return names


def _read(part: Path, classes: list[str]) -> Undecoded:
    files = [
        (number, file)
        for number, name in enumerate(classes)
        for file in sorted((part / name).glob("[!.]*"))
    ]
    if not files:
        raise bad_data(part, "images in its folders", "none", "add some")
    encoded = [(str(file), file) for _, file in files]
    return undecoded(lambda: encoded, np.array([number for number, _ in files]))
