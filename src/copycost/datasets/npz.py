"""A user's own data set as a NumPy archive."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copycost.datasets.base import Dataset, Labelled
from copycost.datasets.sources import bad_data, counted_names, given_path, require_files
from copycost.errors import DataError

_KEYS = ("x_train", "y_train", "x_test", "y_test")
_CHANNELS = (1, 3)
_LAYOUTS = "[N, H, W], [N, H, W, C] or [N, C, H, W] with C = 1 or 3"


def load_npz(path: Path | None) -> Dataset:
    """The four arrays `x_train`, `y_train`, `x_test`, `y_test` of the .npz file at `path`.

    Images are uint8, or floats in [0, 1], which are rounded to bytes; [N, H, W],
    [N, H, W, C] or [N, C, H, W]. Labels are integers from 0, [N] or [N, 1]. Pickled
    arrays are not read.

    Raises:
        ConfigError: no path was given.
        DataError: the file is missing or damaged, or the arrays are not as above.
    """
    path = given_path("npz", path, "a .npz file with " + ", ".join(_KEYS))
    arrays = _read(path)
    train, test = (_part(path, arrays, part) for part in ("train", "test"))
    names = counted_names(path, max(int(part.labels.max()) for part in (train, test)))
    return Dataset(path.stem, path.stem, names, train, test)


def _part(path: Path, arrays: dict[str, npt.NDArray[Any]], part: str) -> Labelled:
    x, y = f"x_{part}", f"y_{part}"
    images, labels = _images(arrays[x], f"{path}: {x}"), _labels(arrays[y], f"{path}: {y}")
    try:
        return Labelled.from_arrays(images, labels)
    except DataError as error:
        # That error describes the arrays, but does not name their file.
        raise DataError(
            f"{path}: {x} and {y}: {error}; store images, and a label for each"
        ) from None


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        # Opened here, as NumPy does not close a file that turns out not to be an archive.
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if not isinstance(found, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            require_files(path, (k for k in _KEYS if k not in found), "add the missing arrays")
            return {key: found[key] for key in _KEYS}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise bad_data(
            path,
            "a .npz file of plain arrays",
            f"one that cannot be read ({error})",
            "write it with numpy.savez(path, x_train=…, y_train=…, x_test=…, y_test=…)",
        ) from error


def _images(x: npt.NDArray[Any], where: str) -> npt.NDArray[np.uint8]:
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and (x.shape[1] in _CHANNELS) != (x.shape[3] in _CHANNELS):
        x = x if x.shape[1] in _CHANNELS else x.transpose(0, 3, 1, 2)
    else:
        # This includes shapes in which both axes could be the channels: a wrong guess would
        # scramble the images.
        raise bad_data(where, _LAYOUTS, str(list(x.shape)), "store the images as [N, C, H, W]")
    return _bytes(x, where)


def _bytes(x: npt.NDArray[Any], where: str) -> npt.NDArray[np.uint8]:
    if x.dtype == np.uint8:
        return x
    if not np.issubdtype(x.dtype, np.floating):
        raise bad_data(where, "uint8, or floats in [0, 1]", str(x.dtype), "convert to uint8")
    low, high = (x.min(), x.max()) if x.size else (0, 1)
    # `not (>=)` rather than `<`, so that NaN is caught too.
    if not (low >= 0 and high <= 1):
        came = f"values from {low:g} to {high:g}"
        raise bad_data(where, "floats in [0, 1]", came, "rescale them, undoing normalisation")
    rounded: npt.NDArray[np.uint8] = np.rint(x * 255).astype(np.uint8)
    return rounded


def _labels(y: npt.NDArray[Any], where: str) -> npt.NDArray[np.int64]:
    flat = y.reshape(-1) if y.shape[1:] in ((), (1,)) else y
    if flat.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        came = f"{y.dtype} {list(y.shape)}"
        raise bad_data(where, "integers [N]", came, "store class numbers, not one-hot rows")
    return flat.astype(np.int64)
