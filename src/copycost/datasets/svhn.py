"""SVHN (street view house numbers), cropped digits, from its official .mat files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.io

from copycost.datasets.base import Dataset, Labelled
from copycost.datasets.sources import bad_data, official_path, require_files

_FILES = ("train_32x32.mat", "test_32x32.mat")
_ADVICE = "fetch it again: `copycost data fetch svhn`"


def load_svhn(path: Path | None) -> Dataset:
    """SVHN in the folder `path`, or in the usual one if None; see `read_svhn`."""
    return read_svhn(official_path("svhn", path))


def read_svhn(folder: Path, sizes: tuple[int, int] = (73_257, 26_032)) -> Dataset:
    """SVHN from `train_32x32.mat` and `test_32x32.mat` in `folder`.

    Images are [N, 3, 32, 32]; the class is the centre digit. `sizes` are the numbers of
    images that the two files must hold: part of SVHN is not SVHN.

    Raises:
        DataError: a file is missing, cut short, or not what its name says.
    """
    missing = (name for name in _FILES if not (folder / name).is_file())
    require_files(folder, missing, "run `copycost data fetch svhn`")
    train, test = (_read(folder / name, size) for name, size in zip(_FILES, sizes, strict=True))
    return Dataset(
        name="svhn",
        provenance="SVHN",
        class_names=tuple(str(digit) for digit in range(10)),
        train=train,
        test=test,
    )


def _read(path: Path, size: int) -> Labelled:
    pixels, labels = _arrays(path)
    expected = f"X uint8 [32, 32, 3, {size}] and y [{size}, 1]"
    if pixels.dtype != np.uint8 or pixels.shape != (32, 32, 3, size) or labels.size != size:
        came = f"X {pixels.dtype} {list(pixels.shape)} and y {list(labels.shape)}"
        raise bad_data(path, expected, came, _ADVICE)
    low, high = labels.min(), labels.max()
    if low < 1 or high > 10:
        raise bad_data(path, "labels from 1 to 10", f"labels from {low} to {high}", _ADVICE)
    # Matlab counts from 1, so the file's label of the digit 0 is 10.
    return Labelled.from_arrays(pixels.transpose(3, 2, 0, 1), labels.reshape(-1) % 10)


def _arrays(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    try:
        found = scipy.io.loadmat(path, variable_names=["X", "y"])
    # The reader of this old binary format fails on damaged bytes in many undeclared ways.
    except Exception as error:
        reason = f"one that cannot be read ({type(error).__name__}: {error})"
        raise bad_data(path, "a whole Matlab 5 file", reason, _ADVICE) from error
    absent = [name for name in ("X", "y") if name not in found]
    if absent:
        raise bad_data(path, "variables X and y", f"no {' or '.join(absent)}", _ADVICE)
    return found["X"], found["y"]
