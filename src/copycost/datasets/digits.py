"""Scikit-learn's handwritten digits: real, small, and already installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import sklearn.datasets

from copycost.datasets.base import Dataset, Labelled
from copycost.datasets.sources import refuse_path

_MOST = 16  # the data's own scale


def load_digits(path: Path | None = None) -> Dataset:
    """1,797 digits [N, 1, 8, 8], every fourth of each class held out for testing.

    Raises:
        ConfigError: a path was given; there is nothing to read.
    """
    refuse_path("digits", path)
    found = sklearn.datasets.load_digits()
    images = np.rint(found.images[:, None] * (255 / _MOST)).astype(np.uint8)
    held_out = _every_fourth(found.target)
    return Dataset(
        name="digits",
        provenance="scikit-learn digits",
        class_names=tuple(str(digit) for digit in range(10)),
        train=Labelled.from_arrays(images[~held_out], found.target[~held_out]),
        test=Labelled.from_arrays(images[held_out], found.target[held_out]),
    )


def _every_fourth(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    # Counted within each class, so stratified; no random numbers, so the same everywhere.
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[3::4]] = True
    return chosen
